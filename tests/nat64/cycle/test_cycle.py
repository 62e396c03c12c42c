import asyncio
import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import IPv6Network

import pytest

from kun_base.journal import Journal
from kun_nat64.agent.announcer import Announcer
from kun_nat64.agent.cycle import Cycle
from kun_nat64.model.announcement import Announcement
from kun_nat64.model.area import Area
from kun_nat64.model.errors import DriverError, FailureKind
from kun_nat64.model.facts import BgpPath, JoolGlobal, JoolInstance, Neighbour, Pool4, Route, Rule, Tunnel
from kun_nat64.model.health import ProbeResult, Symptom
from kun_nat64.model.observation import Foreign, LinkReport
from kun_nat64.model.spec import AgentSpec
from kun_nat64.model.standing import Reason, Standing
from kun_nat64.policy.desired import desired
from kun_nat64.policy.diagnosis import Cause
from kun_nat64.state.agent_state import Callbacks, State
from kun_nat64.state.diagnosis import diagnosis
from kun_nat64.views.status import announced
from tests.nat64.fake_host import FakeHost, hung

BROKEN_TOOL = DriverError(FailureKind.EXIT_CODE, ("jool", "instance", "add"), "no luck today", 22)


@dataclass
class Gateway:
    """The agent's lanes on a machine made of facts, with a clock that the test moves."""

    spec: AgentSpec
    host: FakeHost
    state: State
    cycle: Cycle
    announcer: Announcer
    log: io.StringIO
    clock: list[float]

    @property
    def now(self) -> float:
        return self.clock[0]

    async def turn(self) -> bool:
        """One turn of the cycle, and what it makes the announcer do."""
        went_well = await self.cycle.turn()
        await self.tell()
        return went_well

    async def tell(self) -> None:
        if self.announcer.poked.is_set():
            self.announcer.poked.clear()
            await self.announcer.announce()

    async def hear(self, symptom: Symptom, count: int = 20) -> None:
        for _ in range(count):
            self.clock[0] += self.spec.health.interval_s
            for target in self.spec.health.targets:
                self.state.take_probe(ProbeResult(target, symptom, 0.01), now=self.now)
            self.state.evaluate(now=self.now)
        await self.tell()

    async def come_up(self) -> None:
        await self.turn()
        await self.hear(Symptom.ANSWERED)
        await self.turn()

    def path(self) -> BgpPath | None:
        return next((fact for fact in self.host.facts if isinstance(fact, BgpPath)), None)

    @property
    def standing(self) -> Standing:
        return self.state.standing.decision.standing


@pytest.fixture
def gateway(spec_with: Callable[..., AgentSpec]) -> Gateway:
    return on(FakeHost(), spec_with(fleet={"members": []}))


def on(host: FakeHost, spec: AgentSpec) -> Gateway:
    log = io.StringIO()
    host.links = (LinkReport(spec.gateway.outside, present=True, up=True, carrier=True, mtu=1500),)
    clock = [1000.0]
    callbacks = Callbacks(wake_announcer=lambda: announcer.poke(), wake_cycle=lambda: cycle.wake())
    state = State(spec, Journal("test", stream=log), clock=lambda: clock[0], wall=lambda: 0.0, callbacks=callbacks)
    announcer = Announcer(state, host)
    cycle = Cycle(state, host, announcer.poke)
    return Gateway(spec, host, state, cycle, announcer, log, clock)


def of_kind(gateway: Gateway, kind: type) -> list:
    return [fact for fact in gateway.host.facts if isinstance(fact, kind)]


async def test_one_turn_makes_everything_but_the_path(gateway: Gateway) -> None:
    assert await gateway.turn()
    assert desired(gateway.spec, Announcement(False, 0)) <= gateway.host.facts
    assert gateway.path() is None
    assert gateway.state.machine.plan.changes == ()


async def test_a_second_turn_changes_nothing(gateway: Gateway) -> None:
    await gateway.turn()
    done = list(gateway.host.log)
    await gateway.turn()
    assert gateway.host.log == done


async def test_proof_announces_and_its_loss_raises_the_med(gateway: Gateway) -> None:
    await gateway.come_up()
    assert gateway.path() is not None
    assert gateway.path().med == gateway.spec.bgp.med
    await gateway.hear(Symptom.TIMEOUT, gateway.spec.health.fall)
    assert gateway.path().med == gateway.spec.bgp.soft_fail_med


async def test_a_missing_instance_withdraws_before_it_is_mended(gateway: Gateway) -> None:
    await gateway.come_up()
    gateway.host.break_by_hand(*of_kind(gateway, JoolInstance))
    paths_when_mended: list[bool] = []
    plain_apply = gateway.host.apply

    async def apply(changes):
        if any(isinstance(change.fact, JoolInstance) for change in changes):
            paths_when_mended.append(gateway.state.standing.decision.standing is Standing.OUT)
        await plain_apply(changes)

    gateway.host.apply = apply
    await gateway.turn()
    assert paths_when_mended == [True]
    assert of_kind(gateway, JoolInstance), "mended"
    assert gateway.path() is None
    assert Reason.INSTANCE_MISSING in [turn.reason for turn in gateway.state.standing.changes]


@pytest.mark.parametrize("kind", [Rule, Pool4], ids=["an ip6tables rule", "a pool4 entry"])
async def test_what_was_removed_by_hand_is_mended_within_one_turn(gateway: Gateway, kind: type) -> None:
    await gateway.come_up()
    before = gateway.host.facts
    gateway.host.break_by_hand(of_kind(gateway, kind)[0])
    await gateway.turn()
    assert gateway.host.facts == before
    assert gateway.standing is Standing.FULL
    assert gateway.state.machine.mended[kind.__name__.lower()] == 1
    assert " drift " in gateway.log.getvalue()


async def test_a_path_lost_by_the_speaker_is_told_again(gateway: Gateway) -> None:
    await gateway.come_up()
    gateway.host.break_by_hand(gateway.path())
    await gateway.cycle.turn()
    assert gateway.announcer.poked.is_set()
    await gateway.announcer.announce()
    assert gateway.path() is not None


async def later(gateway: Gateway) -> None:
    await gateway.hear(Symptom.ANSWERED)
    await gateway.turn()


async def test_a_path_that_was_deleted_once_is_not_called_refused(gateway: Gateway) -> None:
    await gateway.come_up()
    await later(gateway)
    gateway.host.break_by_hand(gateway.path())
    await later(gateway)
    assert diagnosis(gateway.state).cause is Cause.NONE
    await later(gateway)
    assert gateway.path() is not None
    assert diagnosis(gateway.state).cause is Cause.NONE
    assert announced(gateway.state)


async def test_a_path_that_the_speaker_takes_and_refuses_is_not_announced_and_says_why(gateway: Gateway) -> None:
    await gateway.come_up()
    await later(gateway)
    gateway.host.refuses_paths = True
    gateway.host.break_by_hand(gateway.path())
    for _ in range(2):
        await later(gateway)
    assert diagnosis(gateway.state).cause is Cause.PATH_REFUSED
    assert not announced(gateway.state)
    assert gateway.standing is Standing.FULL, "the data plane is well, and the path is told again and again"
    gateway.host.refuses_paths = False
    for _ in range(2):
        await later(gateway)
    assert diagnosis(gateway.state).cause is Cause.NONE
    assert announced(gateway.state)
    assert [ailment.cause for ailment in gateway.state.past_diagnoses] == [Cause.PATH_REFUSED]


@pytest.mark.parametrize(
    ("sent", "cause", "heard"),
    [
        pytest.param([("203.0.113.1/32",)], Cause.NONE, True, id="it is"),
        pytest.param([None], Cause.NONE, True, id="nobody asked"),
        pytest.param([()], Cause.PATH_NOT_SENT, False, id="to none"),
        pytest.param([("198.18.0.0/24",)], Cause.PATH_NOT_SENT, False, id="another is"),
        pytest.param([(), ("203.0.113.1/32",)], Cause.PATH_NOT_SENT, True, id="to one of two"),
    ],
)
async def test_a_path_that_a_router_is_not_sent_has_a_name(
    spec_with: Callable[..., AgentSpec], sent: list[tuple[str, ...] | None], cause: Cause, heard: bool
) -> None:
    peers = [{"address": f"10.2.1.{number}", "as": 65000} for number in range(101, len(sent) + 101)]
    spec = spec_with(fleet={"members": []}, bgp={"peers": peers})
    up = (
        Neighbour(peer["address"], 65000, "established", True, 3, None, told)
        for peer, told in zip(peers, sent, strict=True)
    )
    stranger = Neighbour("10.9.9.9", 65009, "established", True, 3, None, ())
    gateway = on(FakeHost(neighbours=tuple(up)), spec)
    await gateway.come_up()
    await later(gateway)
    assert (diagnosis(gateway.state).cause, announced(gateway.state)) == (cause, heard)
    gateway.host.neighbours += (stranger,)
    await later(gateway)
    assert diagnosis(gateway.state).cause is cause, "who is not ours to tell is no fault"


async def test_a_lost_carrier_withdraws(gateway: Gateway) -> None:
    await gateway.come_up()
    gateway.host.links = (LinkReport(gateway.spec.gateway.outside, present=True, up=True, carrier=False),)
    await gateway.turn()
    assert gateway.path() is None
    assert gateway.state.standing.decision.reason is Reason.CARRIER_DOWN


async def test_a_restart_adopts_the_path_it_finds(gateway: Gateway) -> None:
    await gateway.come_up()
    done = list(gateway.host.log)
    after = on(gateway.host, gateway.spec)
    await after.turn()
    assert after.standing is Standing.FULL
    assert after.state.speaker.announced == after.state.announcement, "or /readyz would stay 503"
    assert after.path() == gateway.path()
    assert [line for line in after.host.log[len(done) :] if "gobgp" not in line] == []


async def test_a_restart_whose_probes_are_quicker_than_its_first_look_decides_nothing_before_it(
    gateway: Gateway,
) -> None:
    await gateway.come_up()
    after = on(gateway.host, gateway.spec)
    await after.hear(Symptom.ANSWERED)
    assert not after.announcer.poked.is_set()
    await after.turn()
    assert {turn.standing for turn in after.state.standing.changes} == {Standing.FULL}, "it was announced all the time"
    assert after.standing is Standing.FULL


async def test_a_restart_with_a_silent_speaker_adopts_later(gateway: Gateway) -> None:
    await gateway.come_up()
    after = on(gateway.host, gateway.spec)
    gateway.host.fail_observing = hung(Area.BGP)
    await after.cycle.turn()
    assert not after.announcer.poked.is_set(), "nothing may be withdrawn for not having looked"
    gateway.host.fail_observing = {}
    await after.cycle.turn()
    assert after.standing is Standing.FULL


async def test_an_area_that_does_not_answer_decides_nothing(gateway: Gateway) -> None:
    await gateway.come_up()
    gateway.host.fail_observing = hung(Area.JOOL)
    await gateway.turn()
    await gateway.turn()
    assert gateway.standing is Standing.FULL
    assert gateway.log.getvalue().count("no answer within 2 s") == 1, "logged once"


async def test_a_failing_change_is_logged_once_and_tried_again(gateway: Gateway) -> None:
    gateway.host.fail_applying = {Area.JOOL: BROKEN_TOOL}
    assert not await gateway.turn()
    assert not await gateway.turn()
    assert gateway.log.getvalue().count("no luck today") == 1
    gateway.host.fail_applying = {}
    assert await gateway.turn()
    assert of_kind(gateway, JoolInstance)


async def test_a_refused_plan_changes_nothing_and_says_why(gateway: Gateway) -> None:
    gateway.host.foreign = (Foreign("a Jool instance named default", "`jool instance remove default`"),)
    await gateway.turn()
    assert gateway.host.log == []
    assert "jool instance remove default" in str(gateway.state.machine.refusals[0])
    assert gateway.log.getvalue().count("refused") == 1


async def test_a_speaker_that_refuses_is_told_again(gateway: Gateway) -> None:
    await gateway.turn()
    gateway.host.fail_applying = {Area.BGP: DriverError(FailureKind.UNREACHABLE, ("gobgp",), "connection refused")}
    await gateway.hear(Symptom.ANSWERED)
    assert gateway.path() is None
    assert gateway.state.speaker.failed is not None
    gateway.host.fail_applying = {}
    assert await gateway.announcer.announce()
    assert gateway.path() is not None


async def test_the_announcer_retries_by_itself_and_stops_when_told(gateway: Gateway) -> None:
    await gateway.turn()
    gateway.host.fail_applying = {Area.BGP: DriverError(FailureKind.TIMEOUT, ("gobgp",), "slow")}
    stop = asyncio.Event()
    running = asyncio.create_task(gateway.announcer.run(stop))
    await gateway.hear(Symptom.ANSWERED)
    gateway.announcer.poke()
    await asyncio.sleep(0.05)
    gateway.host.fail_applying = {}
    for _ in range(250):
        await asyncio.sleep(0.02)
        if gateway.path() is not None:
            break
    assert gateway.path() is not None
    stop.set()
    gateway.announcer.poke()
    await asyncio.wait_for(running, 5)


async def test_our_own_6to4_network_never_enters_the_tunnel(gateway: Gateway) -> None:
    """sit would keep the route to ourselves for the pods' packets as well."""
    await gateway.turn()
    own = IPv6Network((b"\x20\x02" + gateway.spec.gateway.vip.packed + bytes(10), 48))
    assert Route(own, "lo") in gateway.host.facts


async def test_a_tunnel_of_another_mtu_is_drift_and_no_hard_failure(gateway: Gateway) -> None:
    await gateway.come_up()
    tunnel = next(fact for fact in of_kind(gateway, Tunnel) if not fact.netns)
    gateway.host.set_by_hand(Tunnel(tunnel.name, tunnel.local, mtu=1480))
    await gateway.turn()
    assert tunnel in gateway.host.facts
    assert gateway.standing is Standing.FULL


async def test_a_setting_that_the_kernel_refuses_holds_up_nothing_else(gateway: Gateway) -> None:
    refused = DriverError(FailureKind.PERMISSION, ("sysctl", "-w"), "read-only file system")
    gateway.host.fail_applying = {Area.SYSCTLS: refused}
    assert not await gateway.turn()
    assert gateway.state.machine.failed == refused
    assert {change.fact.area for change in gateway.state.machine.plan.changes} == {Area.SYSCTLS}
    assert gateway.state.machine.settled, "what is done is kept, and drift is noticed"
    await gateway.hear(Symptom.ANSWERED)
    assert gateway.path() is not None, "probes decide"


async def test_a_pause_by_hand_is_undone_with_a_word(gateway: Gateway) -> None:
    await gateway.come_up()
    setting = next(one for one in of_kind(gateway, JoolGlobal) if one.name == "manually-enabled")
    gateway.host.set_by_hand(replace(setting, value="false"))
    await gateway.turn()
    assert setting in gateway.host.facts
    assert "kun-nat64 drain" in gateway.log.getvalue()


async def test_graceful_restart_in_the_operators_own_file_is_named(gateway: Gateway) -> None:
    await gateway.come_up()
    assert "graceful-restart" not in gateway.state.warnings
    (router,) = gateway.host.neighbours
    gateway.host.neighbours = (replace(router, restart_s=20),)
    await gateway.turn()
    assert "20 s" in gateway.state.warnings["graceful-restart"]
    gateway.host.neighbours = (router,)
    await gateway.turn()
    assert "graceful-restart" not in gateway.state.warnings
