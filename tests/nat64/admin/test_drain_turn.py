"""Drains that are asked of several gateways at the same moment, over real admin ports."""

import asyncio
import itertools

import aiohttp
import pytest

from kun_nat64.model.fleet import Fleet, Member
from kun_nat64.model.health import Verdict
from kun_nat64.model.standing import Standing
from kun_nat64.policy import fleet_view
from tests.nat64.admin.three_gateways import NAMES, Gateways, gateways

__all__ = ["gateways"]


@pytest.mark.parametrize("asked", [*itertools.combinations(NAMES, 2), NAMES], ids=" ".join)
async def test_of_drains_asked_at_once_one_is_taken(gateways: Gateways, asked: tuple[str, ...]) -> None:
    async with aiohttp.ClientSession() as http:
        for order in (asked, tuple(reversed(asked))):
            answers = await asyncio.gather(*(gateways.drain(http, name) for name in order))
            assert sorted(answers) == [200, *[409] * (len(asked) - 1)], answers
            assert len(gateways.draining) == 1
            await gateways.serve_again()


async def test_a_drain_within_the_poll_after_another_one_is_refused(gateways: Gateways) -> None:
    """Nobody has polled since: the agent asks."""
    async with aiohttp.ClientSession() as http:
        assert await gateways.drain(http, "gw2") == 200
        assert await gateways.drain(http, "gw1") == 409
        assert await gateways.drain(http, "gw2") == 200, "asking twice is no second drain"
    assert gateways.draining == ["gw2"]


async def test_the_table_may_drain_several_and_never_the_last_one(gateways: Gateways) -> None:
    """Whoever is asked at the same moment, one stays."""
    await asyncio.gather(*(agent.table.obey("drain") for agent in gateways.agents.values()))
    assert len(gateways.draining) == len(NAMES) - 1


def member(name: str, *, asked: bool) -> Member:
    return Member(f"http://{name}", name, 0.0, Standing.FULL, Verdict.HEALTHY, drain_asked=asked)


@pytest.mark.parametrize(
    ("own", "waits"), [("gw1", True), ("gw2", False), ("gw3", False)], ids=["first", "same name", "last"]
)
def test_the_first_name_waits_for_the_others_to_decide(own: str, waits: bool) -> None:
    fleet = Fleet(1, (member("gw2", asked=True),))
    assert fleet_view.decides_later(fleet, own) is waits
    assert fleet_view.drain_refused(fleet_view.taken_as_draining(fleet), announced=True)
    serving = Fleet(1, (member("gw2", asked=False),))
    assert not fleet_view.drain_refused(fleet_view.taken_as_draining(serving), announced=True)
