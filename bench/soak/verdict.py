"""What a soak run has shown, and whether that is good."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bench.ctools import LoadReport

# The caches fill and find their size first; this share of the run is not judged.
SETTLING = 0.4
GROWTH_SHARE, GROWTH_KB = 0.03, 4096
UNANSWERED_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at the server, `at_s` after the load began."""

    at_s: float
    rss_kb: int
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Asked:
    """What the checking client saw. `wrong`: one line each."""

    count: int
    silent: int
    wrong: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    capacity: float
    load: LoadReport
    asked: Asked
    reloads: int
    restarts: int
    samples: tuple[Sample, ...]

    @property
    def growth_kb(self) -> float:
        return growth_kb(self.samples)

    @property
    def grows(self) -> bool:
        settled = settled_part(self.samples)
        return bool(settled) and self.growth_kb > max(GROWTH_KB, GROWTH_SHARE * settled[0].rss_kb)

    @property
    def good(self) -> bool:
        return not self.faults()

    def faults(self) -> list[str]:
        checks = (
            (self.load.wrong or self.asked.wrong, "wrong answers"),
            (self.grows, "it grows"),
            (self.load.bad_share > UNANSWERED_SHARE, f"{self.load.bad_share:.1%} not answered"),
        )
        return [told for found, told in checks if found]

    def text(self) -> str:
        load, asked = self.load, self.asked
        rss = [sample.rss_kb / 1024 for sample in settled_part(self.samples)] or [0.0]
        lines = [
            f"capacity {self.capacity:,.0f}/s; asked {load.sent / load.seconds:,.0f}/s for {load.seconds:.0f} s: "
            f"{load.answered:,} answers, all checked, {load.wrong} wrong",
            f"checking client: {asked.count:,} answers to the policy in force, {len(asked.wrong)} wrong, "
            f"{asked.silent} not answered",
            f"{self.reloads} reloads, {self.restarts} restarts of an upstream; {load.failed:,} SERVFAIL, "
            f"{load.lost:,} lost",
            f"latency p50 {load.p50_us:,.0f} µs, p99 {load.p99_us:,.0f} µs, p99.9 {load.p999_us:,.0f} µs",
            f"RSS settled at {rss[0]:.1f} MiB, then {self.growth_kb / 1024:+.1f} MiB (highest {max(rss):.1f} MiB)",
            *asked.wrong[:20],
            "good" if self.good else f"NOT GOOD: {', '.join(self.faults())}",
        ]
        return "\n".join(lines) + "\n"


def settled_part(samples: Sequence[Sample]) -> list[Sample]:
    if not samples:
        return []
    begins = SETTLING * samples[-1].at_s
    return [sample for sample in samples if sample.at_s >= begins]


def growth_kb(samples: Sequence[Sample]) -> float:
    """From the first third of the settled part to its last, medians, so that one reload's child does not count."""
    settled = [sample.rss_kb for sample in settled_part(samples)]
    third = len(settled) // 3
    return median(settled[-third:]) - median(settled[:third]) if third else 0.0
