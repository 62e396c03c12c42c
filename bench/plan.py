"""How long and how much: the sizes of one benchmark."""

from dataclasses import dataclass

# An upstream so many milliseconds off, which loses so much of what it is asked.
FAR_MS = {"far1": 1, "far50": 50, "far300": 300}
FAR_LOSS = 0.001
# Queries that are out at once.
FAR_WINDOW = 500
SESSIONS = ("steady", "mixed", "pair", "big", "pool", *FAR_MS)


@dataclass(frozen=True, slots=True)
class Plan:
    """`big_rounds`: half a million names take a slow server a minute, and memory hardly varies between rounds."""

    rounds: int = 5
    seconds: float = 3.0
    cold_names: int = 30_000
    hot_names: int = 1_000
    fresh_names: int = 12_000
    far_names: int = 6_000
    big_names: int = 500_000
    big_rounds: int = 1
    suffixes: int = 1_000_000
    same_rate: int = 50_000
    window: int = 200
    sockets: int = 4
    pair_sockets: int = 64
    tcp_connections: int = 10
    tcp_window: int = 1_000
    sessions: tuple[str, ...] = SESSIONS

    def sessions_of(self, number: int) -> list[str]:
        """The sessions of round `number`, counted from 0."""
        return [name for name in self.sessions if name != "big" or number < self.big_rounds]

    @property
    def cached_names(self) -> int:
        """What a cache must hold outside the big session."""
        return max(self.cold_names, self.hot_names + self.fresh_names)

    @property
    def zone_names(self) -> int:
        return max(self.cached_names, self.big_names if "big" in self.sessions else 0)


def quick(sessions: tuple[str, ...]) -> Plan:
    """One short round to see that everything runs; its figures mean little."""
    return Plan(
        rounds=1,
        seconds=1.0,
        cold_names=5_000,
        fresh_names=2_000,
        far_names=1_000,
        big_names=20_000,
        suffixes=100_000,
        same_rate=20_000,
        sessions=sessions,
    )


def seconds_of(session: str, plan: Plan) -> float:
    """A guess for the progress bar: what a middling server needs."""
    cold = plan.cold_names / 7_000
    if session in FAR_MS:
        return plan.far_names * max(2 * FAR_MS[session] / 1000 / FAR_WINDOW, 1 / 4_000) + 2
    return {
        "steady": cold + 4 * plan.seconds + 2,
        "mixed": plan.fresh_names / 2_500 + 1,
        "pair": plan.seconds + 1,
        "big": plan.big_names / 8_000 + 3,
        "pool": cold + plan.seconds + 12,
    }[session]
