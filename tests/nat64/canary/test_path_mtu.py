import asyncio
import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import IPv6Address
from time import monotonic, time

from kun_base.journal import Journal
from kun_nat64.agent.pmtu_loop import Opener, PmtuLoop
from kun_nat64.model.announcement import WITHDRAWN, Announcement
from kun_nat64.model.facts import Rule
from kun_nat64.model.health import ProbeResult, Symptom, Verdict
from kun_nat64.model.observation import Observation
from kun_nat64.model.spec import AgentSpec
from kun_nat64.model.standing import Reason, Standing
from kun_nat64.policy.desired import desired, with_mss
from kun_nat64.policy.diagnosis import Cause
from kun_nat64.policy.ruleset import mss_in_force
from kun_nat64.state.agent_state import Callbacks, State
from kun_nat64.state.diagnosis import diagnosis
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


def healthy(spec: AgentSpec, callbacks: Callbacks | None = None) -> tuple[State, io.StringIO]:
    told = io.StringIO()
    state = State(spec, Journal("test", stream=told), clock=monotonic, wall=time, callbacks=callbacks)
    state.standing.verdict = Verdict.HEALTHY
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
        state.standing.verdict = Verdict.FAILED

    await PmtuLoop(state, to(Path(0, fall_sick))).sweep()
    assert state.path.swept is None


async def test_without_a_way_to_send_nothing_is_said(spec: AgentSpec) -> None:
    def refuse(_netns: str, _address: IPv6Address, _wait_s: float) -> Path:
        raise OSError("no such namespace")

    state, _ = healthy(spec)
    await PmtuLoop(state, refuse).sweep()
    assert snapshot(state, now=state.clock(), wall=0.0)["path"] is None


async def test_without_an_icmp_target_nothing_is_measured(spec_with: Specs) -> None:
    state, _ = healthy(spec_with(health={"targets": ["tcp://198.51.100.80:80"]}))
    await PmtuLoop(state, to(Path(1520))).sweep()
    assert state.path.swept is None


async def test_two_narrow_sweeps_raise_the_med_and_have_a_name_and_a_wide_one_ends_it(spec: AgentSpec) -> None:
    state, told = healthy(spec)
    proven(state)
    await PmtuLoop(state, to(Path(1420))).sweep()
    assert diagnosis(state).cause is Cause.NONE, "one sweep may have met a crowded link"
    await PmtuLoop(state, to(Path(1420))).sweep()
    assert (diagnosis(state).cause, state.standing.decision.standing) == (Cause.PATH_TOO_NARROW, Standing.SOFT)
    assert state.standing.decision.reason is Reason.PATH_TOO_NARROW
    assert "cause=path-too-narrow" in told.getvalue()
    await PmtuLoop(state, to(Path(1520))).sweep()
    assert diagnosis(state).cause is Cause.NONE


async def test_a_narrow_path_is_looked_at_again_soon(spec: AgentSpec) -> None:
    stop = asyncio.Event()
    state, _ = healthy(spec, Callbacks(wake_announcer=stop.set))
    proven(state)
    stop.clear()  # from here on: the standing has changed
    sweeping = PmtuLoop(state, to(Path(1420)))
    sweeping.check_s = 0.001
    async with asyncio.timeout(5):
        await sweeping.run(stop)
    assert state.path.too_narrow


async def test_auto_sets_the_mss_that_fits_and_takes_it_back(spec_with: Specs) -> None:
    spec = spec_with(gateway={"mss": "auto"})
    assert spec.gateway.mss == 1420
    woken: list[int] = []
    state, _ = healthy(spec, Callbacks(wake_cycle=lambda: woken.append(1)))
    proven(state)
    woken.clear()
    for _ in range(3):
        await PmtuLoop(state, to(Path(1420))).sweep()
    assert set_mss(state) == {1360}
    assert not state.path.too_narrow
    assert len(woken) == 1
    await PmtuLoop(state, to(Path(1520))).sweep()
    assert set_mss(state) == {1420}
    assert mss_in_force(desired(with_mss(spec, 1360), WITHDRAWN), spec.gateway) == 1360
    assert mss_in_force(desired(spec, WITHDRAWN), spec.gateway) is None


async def test_auto_is_no_cure_for_a_path_that_carries_nothing_large(spec_with: Specs) -> None:
    state, _ = healthy(spec_with(gateway={"mss": "auto"}))
    proven(state)
    for _ in range(2):
        await PmtuLoop(state, to(Path(600))).sweep()
    assert state.path.too_narrow


async def test_a_number_is_the_operators_to_change(spec: AgentSpec) -> None:
    state, _ = healthy(spec)
    proven(state)
    for _ in range(3):
        await PmtuLoop(state, to(Path(1420))).sweep()
    assert set_mss(state) == {1420}
    assert mss_in_force(desired(with_mss(spec, 1360), WITHDRAWN), spec.gateway) is None


def proven(state: State) -> None:
    """As after many answers to probes."""
    now = state.clock()
    state.machine.seen = replace(Observation(), facts=state.desired())
    state.adopt(Announcement(True, state.spec.bgp.med), now=now)
    for _ in range(state.spec.health.rise):
        for target in state.spec.health.targets:
            state.take_probe(ProbeResult(target, Symptom.ANSWERED, 0.003), now=now)
    state.evaluate(now=now)
    assert state.standing.decision.standing is Standing.FULL


def set_mss(state: State) -> set[int]:
    rules = [fact.spec for fact in state.desired() if isinstance(fact, Rule) and "TCPMSS" in fact.spec]
    return {int(rule.split()[-1]) for rule in rules}
