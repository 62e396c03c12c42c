"""A member of the ring dies: the running loop, real signs of life, the real table, in namespaces."""

import asyncio
import io
import os
import time
from collections.abc import Callable, Sequence

import pytest

from kun_base.journal import Journal
from kun_nat64.agent.ring_loop import RingLoop
from kun_nat64.drivers.netns import make_inside
from kun_nat64.model.observation import Observation
from kun_nat64.model.plan import Change
from kun_nat64.model.ringfacts import ring_link
from kun_nat64.model.spec import AgentSpec
from kun_nat64.policy.desired import flow_watch
from kun_nat64.state.agent_state import State
from tests.nat64.drivers.ringworld import ALL_IN_TURN, MEMBERS, RingWorld, ip, ring_world

LIMIT_S = 30.0
A, B, C = MEMBERS.values()


class TableOf:
    """The table of one gateway, for its loop."""

    def __init__(self, world: RingWorld, name: str) -> None:
        self._driver = world.drivers[name]

    async def apply(self, changes: Sequence[Change]) -> None:
        for change in changes:
            await self._driver.apply(change)

    async def borrowed(self) -> int:
        return await self._driver.borrowed()


async def until(probe: Callable[[], bool], what: str) -> float:
    """Seconds until it is so."""
    begun = time.monotonic()
    while not probe():
        assert time.monotonic() - begun < LIMIT_S, what
        await asyncio.sleep(0.01)
    return time.monotonic() - begun


async def seconds_until_left_out(world: RingWorld, spec: AgentSpec) -> float:
    """From the cut of B's cable until A's rules send packets to C."""
    state = State(spec, Journal("test", stream=io.StringIO()), clock=time.monotonic, wall=time.time)
    state.machine.seen = Observation(frozenset({ALL_IN_TURN["a"]}))
    loop, stop = RingLoop(state, TableOf(world, "a")), asyncio.Event()
    running = asyncio.create_task(loop.run(stop))
    try:
        await until(lambda: state.ring.answering == {B, C}, "both members answer")
        ip("-n", world.prefix + "b", "link", "set", ring_link(A), "down")
        return await until(lambda: ring_link(C) in world.nft("a", "list", "chain", "ip6", "kun-nat64", "send"), "C")
    finally:
        stop.set()
        await running


async def test_a_member_that_dies_is_left_out(
    tool: Callable[[str, str], str], spec_with: Callable[..., AgentSpec]
) -> None:
    """0.6 s and what `nft` takes, on a machine that is not busy: three questions are not answered."""
    for name, package in (("ip", "iproute2"), ("nft", "nftables")):
        tool(name, package)
    if os.geteuid() != 0:
        pytest.skip("this machine gives no root, for network namespaces")
    spec = spec_with(fleet={"ring": True})
    watch = flow_watch(spec)
    assert watch is not None
    with ring_world(watch) as world:
        await world.arm(ALL_IN_TURN)
        inside = asyncio.to_thread(
            make_inside, world.prefix + "a", lambda: asyncio.run(seconds_until_left_out(world, spec))
        )
        print(f"left out after {await inside:.2f} s")
