import io
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address
from time import monotonic, time

from kun_base.journal import Journal
from kun_nat64.agent.pmtu_loop import Opener, PmtuLoop
from kun_nat64.model.health import Verdict
from kun_nat64.model.spec import AgentSpec
from kun_nat64.state.agent_state import State
from kun_nat64.views.metrics_text import exposition
from kun_nat64.views.status import snapshot

Specs = Callable[..., AgentSpec]


@dataclass
class Path:
    """Carries packets up to `limit`; `during` happens while it is measured."""

    limit: int
    during: Callable[[], None] = lambda: None
    closed: bool = False

    def passes(self, size: int) -> bool:
        self.during()
        return size <= self.limit

    def close(self) -> None:
        self.closed = True


def to(path: Path) -> Opener:
    def open_sweep(_netns: str, address: IPv6Address, _wait_s: float) -> Path:
        assert address == IPv6Address("2002:cb00:7101::c633:6451")
        return path

    return open_sweep


def healthy(spec: AgentSpec) -> tuple[State, io.StringIO]:
    told = io.StringIO()
    state = State(spec, Journal("test", stream=told), clock=monotonic, wall=time)
    state.verdict = Verdict.HEALTHY
    return state, told


async def test_a_path_that_carries_full_segments_proves_the_mss(spec: AgentSpec) -> None:
    state, _ = healthy(spec)
    path = Path(1520)
    await PmtuLoop(state, to(path)).sweep()
    assert path.closed
    assert "kun_nat64_path_mtu_bytes 1520.0" in exposition(state)
    assert "kun_nat64_mss_fits 1.0" in exposition(state)


async def test_a_narrow_path_is_told_once_with_the_mss_that_would_fit(spec: AgentSpec) -> None:
    state, told = healthy(spec)
    for _ in range(2):
        await PmtuLoop(state, to(Path(1400))).sweep()
    assert "kun_nat64_mss_fits 0.0" in exposition(state)
    shown = snapshot(state, now=state.clock(), wall=0.0)["path"]
    assert (shown["largest"], shown["safe_mss"], shown["mss_fits"]) == (1400, 1340, False)
    assert told.getvalue().count("mss should be 1340") == 1


async def test_a_gateway_that_falls_sick_meanwhile_has_measured_nothing(spec: AgentSpec) -> None:
    state, _ = healthy(spec)

    def fall_sick() -> None:
        state.verdict = Verdict.FAILED

    await PmtuLoop(state, to(Path(0, fall_sick))).sweep()
    assert state.swept is None


async def test_without_a_way_to_send_nothing_is_said(spec: AgentSpec) -> None:
    def refuse(_netns: str, _address: IPv6Address, _wait_s: float) -> Path:
        raise OSError("no such namespace")

    state, _ = healthy(spec)
    await PmtuLoop(state, refuse).sweep()
    assert snapshot(state, now=state.clock(), wall=0.0)["path"] is None


async def test_without_an_icmp_target_nothing_is_measured(spec_with: Specs) -> None:
    state, _ = healthy(spec_with(health={"targets": ["tcp://198.51.100.80:80"]}))
    await PmtuLoop(state, to(Path(1520))).sweep()
    assert state.swept is None
