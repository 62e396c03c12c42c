"""The table of the agent's costs."""

from collections.abc import Mapping, Sequence
from statistics import median

from bench.nat64.idle import Idle
from bench.nat64.look import Looked
from bench.nat64.timing import Timing

PLAN_LIMIT_MS, CYCLE_LIMIT_MS, IDLE_LIMIT_PERCENT, FLEET_LIMIT_PERCENT = 50.0, 150.0, 0.3, 0.5
LOOK_LIMIT_S, LOOK_LIMIT_MIB, FLOOD_LIMIT_MIB = 4.0, 100.0, 64.0


def limit_of(title: str) -> float | None:
    """What we want of a row, in its unit; None where nothing was promised."""
    if title.startswith("plan"):
        return PLAN_LIMIT_MS
    if title.startswith("a cycle"):
        return CYCLE_LIMIT_MS
    if title.startswith("one look"):
        memory = FLOOD_LIMIT_MIB if "one pod" in title else LOOK_LIMIT_MIB
        return memory if title.endswith("memory") else LOOK_LIMIT_S if "one pod" not in title else None
    if title.startswith("idle agent in a fleet"):
        return FLEET_LIMIT_PERCENT if "CPU" in title else None
    return IDLE_LIMIT_PERCENT if title.startswith("idle agent, CPU") else None


def timing_row(title: str, timing: Timing) -> str:
    value = f"{timing.middle:.1f} ms ({timing.low:.1f}–{timing.high:.1f})"
    return row(title, value, timing.middle, "ms")


def row(title: str, value: str, figure: float, unit: str) -> str:
    limit = limit_of(title)
    wanted = f"≤ {limit:g} {unit}" if limit is not None else "–"
    met = "–" if limit is None else "yes" if figure <= limit else "**no**"
    return f"| {title} | {value} | {wanted} | {met} |"


def idle_rows(title: str, idle: Idle) -> list[str]:
    middle = median(idle.shares)
    spread = f"{middle:.2f} % ({min(idle.shares):.2f}–{max(idle.shares):.2f})"
    return [
        row(f"{title}, CPU share of a core", spread, middle, "%"),
        row(f"{title}, RSS", f"{idle.rss_mib:.0f} MiB", idle.rss_mib, "MiB"),
    ]


def look_rows(title: str, looked: Looked) -> list[str]:
    title = title.format(rows=looked.rows)
    return [
        row(f"{title}, CPU", f"{looked.cpu_s:.1f} s", looked.cpu_s, "s"),
        row(f"{title}, memory", f"{looked.grown_mib:.0f} MiB", looked.grown_mib, "MiB"),
    ]


def markdown(
    command: str,
    machine: Sequence[str],
    warnings: Sequence[str],
    timings: Mapping[str, Timing],
    looks: Mapping[str, Looked | None],
    idling: Mapping[str, Idle | None],
    failures: Sequence[str],
) -> str:
    lines = [
        "# What the gateway agent costs\n",
        f"```\n{command}\n```\n",
        *(f"- {line}" for line in machine),
        *(f"\n**{line}**" for line in warnings),
        "\nMedian, lowest and highest in brackets. `jool`, `vtysh` and iptables-save are stand-ins that print from a "
        "file; starting and reading them is included, their own work is not.\n",
        "| | measured | wanted | met |\n|---|---|---|---|",
        *(timing_row(title, timing) for title, timing in timings.items()),
    ]
    for title, looked in looks.items():
        lines += look_rows(title, looked) if looked else ()
    for title, idle in idling.items():
        lines += idle_rows(title, idle) if idle else ()
    lines += ["", *(f"- not measured: {line}" for line in failures)]
    return "\n".join(lines).rstrip() + "\n"
