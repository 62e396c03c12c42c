"""A look at the links alone: it is nobody's evidence while we are changing them ourselves."""

import asyncio
from collections.abc import Sequence

from kun_nat64.drivers.links import LinksSeen
from kun_nat64.drivers.real_host import RealHost
from kun_nat64.model.area import Area
from kun_nat64.model.errors import DriverError, FailureKind
from kun_nat64.model.facts import LinkState
from kun_nat64.model.observation import Observation, Scope
from kun_nat64.model.plan import Action, Change
from kun_nat64.model.spec import AgentSpec
from kun_nat64.policy.desired import scope
from tests.nat64.drivers.scripted import ScriptedRunner

SIT0 = LinkState("sit0", up=False)


class Links:
    """Answers and changes when it is let to. `failing`: the kernel does not answer."""

    def __init__(self) -> None:
        self.let, self.failing = asyncio.Event(), False

    async def observe(self, _scope: Scope) -> LinksSeen:
        await self.let.wait()
        if self.failing:
            raise DriverError(FailureKind.TIMEOUT, ("ip", "link", "show"))
        return LinksSeen(frozenset({SIT0}), (), ())

    async def apply(self, _change: Change) -> None:
        await asyncio.sleep(0.01)

    def close(self) -> None:
        """Nothing is open."""


def machine_with(links: Links, spec: AgentSpec) -> RealHost:
    machine = RealHost(spec, ScriptedRunner())
    machine._links = links  # type: ignore[assignment]
    return machine


async def glimpse_while(spec: AgentSpec, links: Links, changes: Sequence[Change]) -> Observation | None:
    machine = machine_with(links, spec)
    seen = asyncio.create_task(machine.glimpse(scope(spec)))
    await asyncio.sleep(0)
    await machine.apply(changes)
    links.let.set()
    return await seen


async def test_it_sees_the_links_and_says_that_it_saw_nothing_else(spec: AgentSpec) -> None:
    seen = await glimpse_while(spec, Links(), ())
    assert seen is not None
    assert seen.facts == {SIT0}
    assert seen.failures.keys() == set(Area) - {Area.LINKS}


async def test_a_glimpse_during_which_we_changed_links_is_none(spec: AgentSpec) -> None:
    assert await glimpse_while(spec, Links(), [Change(Action.ADD, SIT0)]) is None


async def test_there_is_no_glimpse_while_we_change_links(spec: AgentSpec) -> None:
    links = Links()
    links.let.set()
    machine = machine_with(links, spec)
    changing = asyncio.create_task(machine.apply([Change(Action.ADD, SIT0)]))
    await asyncio.sleep(0)
    assert await machine.glimpse(scope(spec)) is None
    await changing
    assert await machine.glimpse(scope(spec)) is not None


async def test_a_kernel_that_does_not_answer_gives_no_glimpse(spec: AgentSpec) -> None:
    links = Links()
    links.failing = True
    assert await glimpse_while(spec, links, ()) is None


class Pulse:
    def __init__(self, *signs: tuple[str, ...]) -> None:
        self._signs = frozenset(signs)

    def take(self, _now: float) -> frozenset[tuple[str, ...]]:
        return self._signs


async def test_a_whole_look_counts_the_sessions_that_the_kernel_has_whatever_the_speaker_says(spec: AgentSpec) -> None:
    links = Links()
    links.let.set()
    machine = machine_with(links, spec)
    machine._speaker_pulse = Pulse(("here", "there", "01"), ("here", "other", "08"), ("api", "7"))  # type: ignore[assignment]
    assert (await machine.observe(scope(spec))).bgp_connections == 1
