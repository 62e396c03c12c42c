"""The fleets that are played, and their report."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from bench.fleet.plot import Line, plot
from bench.fleet.scenario import Fleet, Played, play
from kun_nat64.policy.capacity import Fabric, Load, capacity
from kun_nat64.policy.spread import Hashed, imbalance, moved

PLATFORMS = ((18_659, 300), (186_590, 3_000), (2_000_000, 32_000))
GATEWAYS = (2, 3, 4, 8, 16, 32, 64)
BUCKETS = 128
FLOWS_A_POD = 30
# Thrown for every platform. More flows are spread more evenly, so the figures are upper bounds.
FLOWS_THROWN = 200_000


@dataclass(frozen=True, slots=True)
class Run:
    """One fleet, what the simulation counted, and what the arithmetic of `kun-nat64 size` says."""

    fleet: Fleet
    played: Played
    computed: float
    computed_others: float


def fleets(platforms: tuple[tuple[int, int], ...], gateways: tuple[int, ...]) -> Iterator[Fleet]:
    """List every combination of platform, number of gateways, hash and group."""
    for (pods, nodes), count, hashed, buckets in product(platforms, gateways, Hashed, (0, BUCKETS)):
        yield Fleet(pods, nodes, min(FLOWS_THROWN, pods * FLOWS_A_POD), count, hashed, buckets)


def run(fleet: Fleet) -> Run:
    """Play a fleet from which the last gateway leaves, the worst place in a hash-threshold group."""
    leaver = fleet.gateways - 1
    balls = fleet.flows if fleet.hashed is Hashed.INNER else fleet.nodes
    return Run(
        fleet,
        play(fleet, leaver),
        imbalance(balls, fleet.gateways, buckets=fleet.buckets),
        moved(fleet.gateways, leaver, resilient=bool(fleet.buckets))[1],
    )


def table(runs: list[Run]) -> str:
    """Write one row a fleet, in Markdown."""
    head = (
        "| pods | nodes | gateways | hash | group | fullest / mean | computed | one away | own flows move | others move"
        " | move at return |\n|--:|--:|--:|---|---|--:|--:|--:|--:|--:|--:|\n"
    )
    return head + "".join(row(one) for one in runs)


def row(one: Run) -> str:
    fleet, played = one.fleet, one.played
    group = f"resilient, {fleet.buckets}" if fleet.buckets else "hash-threshold"
    cells = (
        f"{fleet.pods:,}", f"{fleet.nodes:,}", str(fleet.gateways), fleet.hashed.value, group,
        f"{played.imbalance:.2f}", f"{one.computed:.2f}", f"{played.short:.2f}",
        f"{played.own:.1%}", f"{played.others:.1%}", f"{played.back:.1%}",
    )  # fmt: skip
    return "| " + " | ".join(cells) + " |\n"


def sizes() -> str:
    """Write what each platform needs, by the arithmetic of `kun-nat64 size`, with one gateway away."""
    lines = ["| pods | gateways | hash | flows on the fullest, one away | addresses each | ports in use, one away |"]
    lines.append("|--:|--:|---|--:|--:|--:|")
    for (pods, nodes), count, hashed in product(PLATFORMS, (4, 16, 64), Hashed):
        balls = pods * FLOWS_A_POD if hashed is Hashed.INNER else nodes
        found = capacity(Load(pods, FLOWS_A_POD), Fabric(count, 1, imbalance=imbalance(balls, count - 1)))
        lines.append(
            f"| {pods:,} | {count} | {hashed.value} | {found.flows_each_short:,} | {found.addresses}"
            f" | {found.use_short:.0%} |"
        )
    return "\n".join(lines) + "\n"


def lines_of(runs: list[Run], value: Callable[[Run], float]) -> list[Line]:
    """Gather one line a hash and group over the number of gateways, for the smallest platform."""
    smallest = min(one.fleet.pods for one in runs)
    found: dict[str, list[tuple[int, float]]] = {}
    for one in runs:
        if one.fleet.pods == smallest:
            group = "resilient" if one.fleet.buckets else "hash-threshold"
            found.setdefault(f"{one.fleet.hashed.value} hash, {group}", []).append((one.fleet.gateways, value(one)))
    return [Line(name, tuple(points)) for name, points in found.items()]


def bench_fleet(out: Path, *, quick: bool, command: str) -> str:
    """Play all fleets, write fleet.md and fleet.svg into `out`, and give the text."""
    platforms, gateways = (PLATFORMS[:1], GATEWAYS[:4]) if quick else (PLATFORMS, GATEWAYS)
    runs = [run(one) for one in fleets(platforms, gateways)]
    text = f"`{command}`\n\n{table(runs)}\n{sizes()}"
    out.mkdir(parents=True, exist_ok=True)
    (out / "fleet.md").write_text(text)
    (out / "fleet.svg").write_text(
        plot(
            [
                ("fullest gateway over the mean", lines_of(runs, lambda one: one.played.imbalance)),
                ("share of flows of other gateways that move", lines_of(runs, lambda one: one.played.others)),
                ("share of flows that move at a return", lines_of(runs, lambda one: one.played.back)),
            ]
        )
    )
    return text
