"""What a run with attackers has shown, and whether the others were served as without them."""

from collections.abc import Mapping
from dataclasses import dataclass

from bench.ctools import LoadReport
from bench.soak.verdict import GROWTH_KB, GROWTH_SHARE, Sample, growth_kb, settled_part

MOST_LOST_SHARE, MOST_P99_TIMES = 0.001, 3.0
READY = 200


@dataclass(frozen=True, slots=True)
class Siege:
    """`calm`: the same load before the attackers came. `ready`: how often /readyz said what; 0: nothing in time."""

    capacity: float
    per_s: float
    attackers: tuple[str, ...]
    calm: LoadReport
    load: LoadReport
    samples: tuple[Sample, ...]
    ready: Mapping[int, int]

    @property
    def p99_times(self) -> float:
        return self.load.p99_us / max(self.calm.p99_us, 1.0)

    @property
    def grows(self) -> bool:
        settled = settled_part(self.samples)
        return bool(settled) and growth_kb(self.samples) > max(GROWTH_KB, GROWTH_SHARE * settled[0].rss_kb)

    def faults(self) -> list[str]:
        """Each target that was missed."""
        checks = (
            (self.load.wrong, f"{self.load.wrong} wrong answers"),
            (self.load.bad_share > MOST_LOST_SHARE, f"{self.load.bad_share:.2%} lost (target {MOST_LOST_SHARE:.1%})"),
            (self.p99_times > MOST_P99_TIMES, f"p99 {self.p99_times:.1f} times (target {MOST_P99_TIMES:.0f})"),
            (self.grows, "RSS grows"),
            (set(self.ready) != {READY}, "/readyz was not 200 throughout"),
        )
        return [told for missed, told in checks if missed]

    @property
    def good(self) -> bool:
        return not self.faults()

    def text(self) -> str:
        load, calm = self.load, self.calm
        settled = [sample.rss_kb / 1024 for sample in settled_part(self.samples)] or [0.0]
        ready = ", ".join(f"{status or 'no answer'}: {count}" for status, count in sorted(self.ready.items()))
        lines = [
            f"attackers: {', '.join(self.attackers)}",
            f"capacity {self.capacity:,.0f}/s; normal questions {self.per_s:,.0f}/s for {load.seconds:.0f} s",
            f"normal ones lost: {load.bad_share:.3%} ({load.lost:,} lost, {load.failed:,} SERVFAIL, "
            f"{load.empty:,} empty of {load.sent:,}); without attackers {calm.bad_share:.3%}",
            f"p99 {load.p99_us:,.0f} µs, without {calm.p99_us:,.0f} µs: {self.p99_times:.2f} times; "
            f"p99.9 {load.p999_us:,.0f} µs, without {calm.p999_us:,.0f} µs",
            f"RSS settled at {settled[0]:.1f} MiB, then {growth_kb(self.samples) / 1024:+.1f} MiB"
            f" (highest {max(settled):.1f} MiB)",
            f"/readyz {ready}",
            "good" if self.good else f"NOT GOOD: {'; '.join(self.faults())}",
        ]
        return "\n".join(lines) + "\n"
