"""What the parts of the agent know: plain values. Each is written by one module, named here, and read by all.

tests/nat64/state/test_writers.py holds the rule.
"""

from collections import Counter, deque
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, IPv6Network

from kun_nat64.model.announcement import Announcement
from kun_nat64.model.errors import DriverError
from kun_nat64.model.facts import Fact
from kun_nat64.model.foreign_objects import UNSEEN, Surroundings
from kun_nat64.model.health import Verdict
from kun_nat64.model.linkcounts import LinkCounts
from kun_nat64.model.observation import Observation
from kun_nat64.model.plan import Action, Plan, Refusal
from kun_nat64.model.standing import Reason, Standing
from kun_nat64.policy.announcement import Decision
from kun_nat64.policy.announcement_check import NOTHING_ODD, ReadBack
from kun_nat64.policy.forecast import Courses
from kun_nat64.policy.pathmtu import Swept
from kun_nat64.state.histogram import TURN_BOUNDS, Histogram

REMEMBERED_CHANGES = 50
NARROW_SWEEPS = 2


@dataclass(frozen=True)
class StandingChange:
    """One change of standing, for people to read later. `at`: wall clock."""

    at: float
    standing: Standing
    reason: Reason


@dataclass
class HostState:
    """The last look at the machine and what came of it. Written by agent/cycle.py.

    `own`: addresses of this machine, by the last look that saw them. `read_back`: what BGP made of our path.
    `approved`: changes of a file that passed the guard; `all_approved`: the file was taken by force.
    `way_since`: when the way of the probes was there again after it was missing; infinite while it is missing.
    """

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
    own: frozenset[IPv4Address] = frozenset()
    read_back: ReadBack = NOTHING_ODD
    approved: frozenset[tuple[Action, Fact]] = frozenset()
    all_approved: bool = False
    way_since: float = float("-inf")


@dataclass
class BgpState:
    """What the speaker announces for us. Written by agent/announcer.py.

    `announced` None: not known, until the first success. `failed`: why the last attempt did not work.
    """

    announced: Announcement | None = None
    announced_at: float = 0.0
    failed: DriverError | None = None


@dataclass
class TrafficState:
    """What flows through the translator at the last count; the canary's own sessions are not in it.

    Written by agent/traffic_loop.py.

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
    """The ring of gateways. Written by agent/ring_loop.py.

    `answering`: members that answer, None until they have had the time to. `sending`: members whose packets come in.
    `borrowed`: TCP flows that came by the ring lately, counted while this gateway drains.
    """

    answering: frozenset[IPv4Address] | None = None
    sending: frozenset[IPv4Address] = frozenset()
    borrowed: int | None = None


@dataclass
class CounterState:
    """Counters of Jool and of the tunnel: as they are, and by how much they rose between the last two looks.

    Written by agent/counter_loop.py. `ways`: packets that passed places of the way back. `is_evidence`: something
    failed at both looks; what rose before that, rose while packets still passed. `around`: what others have put in the
    way, looked at while something fails.
    """

    counters: dict[str, int] = field(default_factory=dict)
    risen: dict[str, int] = field(default_factory=dict)
    tunnel_rx: int | None = None
    tunnel_risen: int | None = None
    links: dict[str, LinkCounts] = field(default_factory=dict)
    ways: dict[str, int] = field(default_factory=dict)
    ways_risen: dict[str, int] = field(default_factory=dict)
    is_evidence: bool = False
    around: Surroundings = UNSEEN
    jool_version: str = ""

    def take_counters(self, counters: dict[str, int], tunnel_rx: int | None) -> None:
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


@dataclass
class PathState:
    """The largest packets that make the whole trip. Written by agent/pmtu_loop.py; another file resets it.

    `mss`: less than the file's, where the path carries less and the file leaves it to us. `narrow_sweeps`: how many
    sweeps in a row lost full TCP segments.
    """

    swept: Swept | None = None
    swept_at: float = float("-inf")
    narrow_sweeps: int = 0
    mss: int | None = None

    @property
    def too_narrow(self) -> bool:
        """Full TCP segments are lost outside. Two sweeps must say so: one may have met a crowded link."""
        return self.narrow_sweeps >= NARROW_SWEEPS

    def forget_path(self) -> None:
        self.swept, self.narrow_sweeps, self.mss = None, 0, None


@dataclass
class NodeWayState:
    """Nodes with sessions here that nothing leads back to. Written by agent/node_way_loop.py."""

    cut_off: tuple[str, ...] = ()


@dataclass
class DrainTurnState:
    """Written by agent/drain_turn.py. `asked`: it is being decided whether this gateway may drain; others see it."""

    asked: bool = False


@dataclass
class ReloadState:
    """A file that takes the gateway out of service. Written by agent/reload.py.

    `phase` "": there is none; "waits": for its turn in the fleet; "runs": it is in force and not proven yet.
    """

    phase: str = ""


@dataclass
class StandingState:
    """The decision about the VIP. Written by State alone: evaluate() makes it from all the other parts.

    `knows_bgp`: it is known what an earlier agent announced. `quiet_until`: until then no decision changes by time
    alone.
    """

    decision: Decision
    verdict: Verdict = Verdict.UNPROVEN
    knows_bgp: bool = False
    quiet_until: float = float("-inf")
    falls_total: int = 0
    changes: deque[StandingChange] = field(default_factory=lambda: deque(maxlen=REMEMBERED_CHANGES))
