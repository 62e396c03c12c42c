"""The status page: one self-contained HTML document from the same data as /status."""

from collections.abc import Iterable
from html import escape
from typing import Any

STYLE = """
:root { color-scheme: light dark; --good: #1a7f37; --warn: #9a6700; --bad: #cf222e; --line: #8884; --dim: #8889; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; }
.banner, code, h1 { overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; margin: 0; } h2 { font-size: 1rem; margin: 1.6rem 0 .4rem; }
header { display: flex; flex-wrap: wrap; gap: .4rem 1rem; align-items: baseline; }
.dim { color: GrayText; } code, td.num { font-family: ui-monospace, monospace; font-size: .92em; }
.badge { color: #fff; border-radius: 1rem; padding: .1rem .7rem; font-weight: 600; background: var(--bad); }
.good { background: var(--good); } .warn { background: var(--warn); }
.banner { border-left: .35rem solid var(--bad); padding: .5rem .9rem; margin: 1rem 0; background: #8881; }
.banner.good { border-color: var(--good); background: #8881; } .banner.warn { border-color: var(--warn); }
.banner.good, .banner.warn { background: #8881; }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: .25rem .6rem .25rem 0; }
th { font-weight: 600; border-bottom: 1px solid var(--line); } td { border-bottom: 1px solid var(--line); }
meter { width: min(9rem, 20vw); vertical-align: middle; }
"""
COLOUR = {
    "full": "good", "up": "good", "healthy": "good", "established": "good",
    "soft": "warn", "draining": "warn", "unproven": "warn",
}  # fmt: skip

JSON = dict[str, Any]


def render(status: JSON) -> str:
    told = status["announcement"]
    parts = [
        _head(status),
        f'<p class="banner {COLOUR.get(told["standing"], "")}">{escape(_headline(told))}</p>',
        _diagnosis(status["diagnosis"]),
        _warnings(status["warnings"]),
        _targets(status["health"]),
        _bgp(status["bgp"]),
        _machine(status["machine"]),
        _traffic(status["traffic"]),
        _fleet(status["fleet"]),
        _history(status["history"], status["time"]),
    ]
    title = escape(f"{status['name']} · {told['standing']}")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>'
        f"<body>{''.join(parts)}</body></html>\n"
    )


def duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, hours, days = seconds / 60, seconds / 3600, seconds / 86400
    return f"{minutes:.0f} min" if minutes < 120 else f"{hours:.1f} h" if hours < 48 else f"{days:.1f} d"


def _headline(told: JSON) -> str:
    med = f" with MED {told['med']}" if told["med"] is not None else ""
    state = f"Announced{med}" if told["announced"] else "Not announced"
    back = f" Back in {duration(told['back_in_s'])}." if told["back_in_s"] is not None else ""
    return f"{state} for {duration(told['since_s'])}: {told['words']}.{back}"


def _badge(word: object) -> str:
    return f'<span class="badge {COLOUR.get(str(word), "")}">{escape(str(word))}</span>'


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _list(items: Iterable[object]) -> str:
    lines = "".join(f"<li><code>{escape(str(item))}</code></li>" for item in items)
    return f"<ul>{lines}</ul>" if lines else ""


def _head(status: JSON) -> str:
    return (
        f"<header><h1>{escape(status['name'])}</h1>{_badge(status['announcement']['standing'])}"
        f'<span class="dim">VIP <code>{status["vip"]}</code> · prefix <code>{status["prefix"]}</code> · '
        f"up {duration(status['up_s'])} · {escape(status['version'])}</span></header>"
    )


def _diagnosis(found: JSON) -> str:
    if found["cause"] == "none":
        return ""
    return f'<p class="banner">{escape(found["words"])}. <span class="dim">{escape(found["remedy"])}</span></p>'


def _warnings(warnings: JSON) -> str:
    return "".join(f'<p class="banner warn">{escape(words)}</p>' for words in warnings.values())


def _targets(health: JSON) -> str:
    rows = (
        (
            f"<code>{escape(one['target'])}</code>",
            _badge(one["state"]),
            escape(f"{one['latency_ms']:.1f} ms" if one["latency_ms"] is not None else one["symptom"] or "–"),
            f"{one['lost']} of {one['sent']}",
        )
        for one in health["targets"]
    )
    title = f"<h2>Probes: {_badge(health['verdict'])} {health['up']} up, quorum {health['quorum']}</h2>"
    return title + _table(("target", "state", "last", "lost"), rows)


def _bgp(bgp: JSON) -> str:
    rows = ((escape(one["address"]), str(one["as"]), _badge(one["state"])) for one in bgp["neighbours"])
    failed = f'<p class="banner">{escape(bgp["failed"])}</p>' if bgp["failed"] else ""
    return "<h2>BGP</h2>" + failed + _table(("peer", "AS", "session"), rows)


def _machine(machine: JSON) -> str:
    problems = [*machine["refused"], *([machine["failed"]] if machine["failed"] else [])]
    problems += [f"{area} does not answer: {error}" for area, error in machine["unknown"].items()]
    problems += [f"{each['what']} (remedy: {each['remedy']})" for each in machine["foreign"]]
    state = "as desired" if not machine["drift"] else f"{len(machine['drift'])} differences"
    mended = sum(machine["mended"].values())
    looked = duration(machine["looked_s_ago"])
    line = f'<p class="dim">Looked at {looked} ago, in {machine["turn_s"] * 1000:.0f} ms; mended {mended} so far.</p>'
    return f"<h2>Machine: {state}</h2>" + line + _list(problems) + _list(machine["drift"])


def _traffic(traffic: JSON) -> str:
    rows = (
        (
            f"<code>{one['address']}</code>",
            one["protocol"],
            f'<meter min="0" max="{one["total"]}" high="{int(one["total"] * 0.85)}" value="{one["used"]}"></meter>',
            f"{one['used']} of {one['total']}",
            "–" if one["exhausted_in_s"] is None else f"in {duration(one['exhausted_in_s'])}",
        )
        for one in traffic["ports"]
    )
    sessions = "–" if traffic["tcp_sessions"] is None else traffic["tcp_sessions"]
    oldest = duration(traffic["oldest_tcp_s"])
    title = f"<h2>Traffic: {sessions} live TCP sessions, oldest {oldest}; {traffic['bindings']} bindings</h2>"
    return title + _table(("public address", "protocol", "ports", "", "used up"), rows)


def _fleet(fleet: JSON) -> str:
    if not fleet["configured"]:
        return ""
    rows = [
        *(
            (escape(one["name"]), f"<code>{escape(one['url'])}</code>", _badge(one["standing"]), _badge(one["verdict"]))
            for one in fleet["members"]
        ),
        *(("", f"<code>{escape(url)}</code>", "no answer", escape(why)) for url, why in fleet["silent"].items()),
    ]
    title = f"<h2>Fleet: {len(fleet['members'])} of {fleet['configured']} others answer</h2>"
    return title + _table(("name", "address", "standing", "health"), rows)


def _history(turns: list[JSON], now: float) -> str:
    rows = ((f"{duration(now - one['at'])} ago", _badge(one["standing"]), one["reason"]) for one in reversed(turns))
    return "<h2>History</h2>" + _table(("when", "standing", "reason"), rows)
