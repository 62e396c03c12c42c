"""The status page: one self-contained HTML document from the same data as /status."""

from collections.abc import Iterable
from html import escape
from typing import Any

from kun_base.html_page import badge, clock, document, duration, link, table
from kun_nat64.views.fleet import short_number

COLOUR = {
    "full": "good", "up": "good", "healthy": "good", "established": "good",
    "soft": "warn", "draining": "warn", "unproven": "warn",
}  # fmt: skip

JSON = dict[str, Any]


def render(status: JSON) -> str:
    announcement = status["announcement"]
    parts = [
        _head(status),
        f'<p class="banner {COLOUR.get(announcement["standing"], "")}">{escape(_headline(announcement))}</p>',
        _diagnosis(status["diagnosis"]),
        _drain(status["drain"]),
        _warnings(status["warnings"]),
        _targets(status["health"]),
        _bgp(status["bgp"]),
        _machine(status["machine"]),
        _traffic(status["traffic"]),
        _fleet(status["fleet"]),
        _history(status["history"], status["time"]),
    ]
    return document(f"{status['name']} · {announcement['standing']}", parts)


def _headline(announcement: JSON) -> str:
    med = f" with MED {announcement['med']}" if announcement["med"] is not None else ""
    state = f"Announced{med}" if announcement["announced"] else "Not announced"
    back = f" Back in {duration(announcement['back_in_s'])}." if announcement["back_in_s"] is not None else ""
    return f"{state} for {duration(announcement['since_s'])}: {announcement['words']}.{back}"


def _badge(word: object) -> str:
    return badge(word, COLOUR.get(str(word), ""))


def _list(items: Iterable[object]) -> str:
    lines = "".join(f"<li><code>{escape(str(item))}</code></li>" for item in items)
    return f"<ul>{lines}</ul>" if lines else ""


def _head(status: JSON) -> str:
    # A gateway without a tunnel may have no VIP.
    vip = f"VIP <code>{status['vip']}</code> · " if status["vip"] else ""
    return (
        f"<header><h1>{escape(status['name'])}</h1>{_badge(status['announcement']['standing'])}"
        f'<span class="dim">{vip}prefix <code>{status["prefix"]}</code> · '
        f"up {duration(status['up_s'])} · {escape(status['version'])}</span></header>"
    )


def _diagnosis(found: JSON) -> str:
    if found["cause"] == "none":
        return ""
    return f'<p class="banner">{escape(found["words"])}. <span class="dim">{escape(found["remedy"])}</span></p>'


def _warnings(warnings: JSON) -> str:
    return "".join(f'<p class="banner warn">{escape(words)}</p>' for words in warnings.values())


def _drain(drain: JSON) -> str:
    if drain["phase"] == "serving":
        return ""
    left = "being counted" if drain["left"] is None else drain["left"]
    oldest = f", the oldest for at least {duration(drain['oldest_s'])}" if drain["oldest_s"] is not None else ""
    why = f" Why: {drain['why']}." if drain["why"] else ""
    since = f" since {clock(drain['since'])}" if drain.get("since") else ""
    if drain["phase"] == "drained":
        words = f"Drained{since}, for {duration(drain['for_s'])}: {drain['ended']}.{why}"
    else:
        grace = max(0.0, drain["grace_s"] - (drain["for_s"] or 0.0))
        words = f"Draining{since}, for {duration(drain['for_s'])}. TCP sessions left: {left}{oldest}. "
        words += f"Withdrawn in {duration(grace)} at the latest.{why}"
    return f'<p class="banner warn" id="drain">{escape(words)} <code>kun-nat64 undrain</code> takes it back.</p>'


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
    return title + table(("target", "state", "last", "lost"), rows)


def _bgp(bgp: JSON) -> str:
    rows = (
        (escape(one["address"]), str(one["as"]), _badge(one["state"]), escape(one["bfd"] or "none"))
        for one in bgp["neighbours"]
    )
    failed = f'<p class="banner">{escape(bgp["failed"])}</p>' if bgp["failed"] else ""
    return "<h2>BGP</h2>" + failed + table(("peer", "AS", "session", "BFD"), rows)


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
    return title + table(("public address", "protocol", "ports", "", "used up"), rows) + _carried(traffic)


def _carried(traffic: JSON) -> str:
    """Counters since the rules were made."""
    rate = traffic["carried"]["rate"]
    rows = (
        (
            f"<code>{one['address']}</code>",
            one["protocol"],
            *(short_number(one[f"{unit}_{way}"]) for way in ("in", "out") for unit in ("bytes", "packets")),
        )
        for one in traffic["carried"]["public"]
    )
    now = (
        f": {short_number(rate['mbit_in'])} Mbit/s in, {short_number(rate['mbit_out'])} out; "
        f"{short_number(rate['packets_in'])} packets/s in, {short_number(rate['packets_out'])} out"
        if rate
        else ""
    )
    titles = ("public address", "protocol", "bytes in", "packets in", "bytes out", "packets out")
    dropped = ((one["reason"], escape(one["words"]), str(one["packets"])) for one in traffic["drops"]["reasons"])
    drops = table(("dropped for", "", "packets"), dropped) if traffic["drops"]["reasons"] else ""
    return f"<h2>Throughput{now}</h2>" + table(titles, rows) + drops


def _fleet(fleet: JSON) -> str:
    if not fleet["configured"]:
        return ""
    rows = [
        *(
            (escape(one["name"]), link(f"{one['url']}/", one["url"]), _badge(one["standing"]), _badge(one["verdict"]))
            for one in fleet["members"]
        ),
        *(("", link(f"{url}/", url), "no answer", escape(why)) for url, why in fleet["silent"].items()),
    ]
    title = f"<h2>{link('/fleet', 'Fleet')}: {len(fleet['members'])} of {fleet['configured']} others answer</h2>"
    return title + table(("name", "address", "standing", "health"), rows)


def _history(turns: list[JSON], now: float) -> str:
    rows = (
        (f"{clock(one['at'])}, {duration(now - one['at'])} ago", _badge(one["standing"]), one["reason"])
        for one in reversed(turns)
    )
    return "<h2>History</h2>" + table(("when", "standing", "reason"), rows)
