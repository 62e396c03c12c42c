"""What the parts of the agent have found out: plain values that they write and the others read."""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, IPv6Network

from kun_nat64.model.announcement import Announcement
from kun_nat64.model.errors import DriverError
from kun_nat64.model.linkcounts import LinkCounts
from kun_nat64.model.observation import Observation
from kun_nat64.model.plan import Plan, Refusal
from kun_nat64.model.standing import Reason, Standing
from kun_nat64.policy.announcement_check import NOTHING_ODD, ReadBack
from kun_nat64.policy.forecast import Courses

LATENCY_BOUNDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
TURN_BOUNDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


@dataclass
class Histogram:
    """A histogram: `counts[i]` values up to `bounds[i]` and above the one before, the last one for all larger."""

    bounds: tuple[float, ...]
    counts: list[int] = field(default_factory=list)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


@dataclass
class HostState:
    """The last look at the machine and what came of it."""

    seen: Observation | None = None
    seen_at: float = 0.0
    took_s: float = 0.0
    turns: int = 0
    plan: Plan = field(default_factory=Plan)
    refusals: tuple[Refusal, ...] = ()
    failed: DriverError | None = None
    hard: tuple[Reason, ...] = ()
    mended: Counter[str] = field(default_factory=Counter)
    durations: Histogram = field(default_factory=lambda: Histogram(TURN_BOUNDS))
    settled: bool = False


@dataclass
class BgpState:
    """What we last told BGP: `told` None until the first success. `failed`: why the last attempt did not work."""

    told: Announcement | None = None
    told_at: float = 0.0
    failed: DriverError | None = None
    made: ReadBack = NOTHING_ODD


@dataclass
class TrafficState:
    """What flows through the translator at the last count; the canary's own sessions are not in it.

    `tenants`: sessions by tenant. `tenant_ports`: (used, total) by tenant, address and protocol; `ports` are those of
    everybody. `look_s`: how long the last look took; `pause_s`: until the next one, longer where looks cost more.
    """

    counted_at: float | None = None
    look_s: float | None = None
    pause_s: float | None = None
    tcp: int = 0
    sessions: int = 0
    bindings: int = 0
    oldest_tcp_s: float | None = None
    nodes: tuple[IPv4Address | IPv6Address, ...] = ()
    full: bool = False
    ports: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    courses: Courses = field(default_factory=dict)
    exhausted_in_s: dict[tuple[str, str], float] = field(default_factory=dict)
    limited: dict[IPv6Network, int] = field(default_factory=dict)
    limited_total: int = 0
    tenants: dict[str, int] = field(default_factory=dict)
    limited_tenants: frozenset[str] = frozenset()
    tenant_ports: dict[tuple[str, str, str], tuple[int, int]] = field(default_factory=dict)
    failed: DriverError | None = None

    @property
    def pool_use(self) -> float | None:
        """The fullest address and protocol, from 0 to 1; None until counted."""
        return max((used / total for used, total in self.ports.values() if total), default=None)

    @property
    def first_exhausted_s(self) -> float | None:
        """Seconds until the ports of some address and protocol are used up, if it goes on so; None: they are not."""
        return min(self.exhausted_in_s.values(), default=None)


@dataclass
class RingState:
    """`answering`: members that answer in the ring, None until they have had the time to. `heard`: those whose packets
    come in. `borrowed`: TCP flows that came by the ring lately, counted while this gateway drains.
    """

    answering: frozenset[IPv4Address] | None = None
    heard: frozenset[IPv4Address] = frozenset()
    borrowed: int | None = None


@dataclass
class CounterState:
    """Counters of Jool and of the tunnel: as they are, and by how much they rose between the last two looks.

    `ways`: packets that passed places of the way back. `telling`: something failed at both looks. What rose before
    that, rose while packets still passed.
    """

    counters: dict[str, int] = field(default_factory=dict)
    risen: dict[str, int] = field(default_factory=dict)
    tunnel_rx: int | None = None
    tunnel_risen: int | None = None
    links: dict[str, LinkCounts] = field(default_factory=dict)
    ways: dict[str, int] = field(default_factory=dict)
    ways_risen: dict[str, int] = field(default_factory=dict)
    telling: bool = False

    def take(self, counters: dict[str, int], tunnel_rx: int | None) -> None:
        """A counter that went down was reset (Jool does so when its configuration is replaced): then it rose from 0."""
        before, self.counters = self.counters, counters
        self.risen = {name: _rise(before.get(name, 0), value) for name, value in counters.items()} if before else {}
        known = self.tunnel_rx is not None and tunnel_rx is not None
        self.tunnel_risen = _rise(self.tunnel_rx or 0, tunnel_rx or 0) if known else None
        self.tunnel_rx = tunnel_rx

    def take_ways(self, ways: dict[str, int]) -> None:
        """A place that was not counted at both looks says nothing."""
        before, self.ways = self.ways, ways
        self.ways_risen = {place: _rise(before[place], count) for place, count in ways.items() if place in before}


def _rise(before: int, after: int) -> int:
    return after - before if after >= before else after


@dataclass(frozen=True)
class StandingChange:
    """One change of standing, for people to read later. `at`: wall clock."""

    at: float
    standing: Standing
    reason: Reason
