"""Allocations that vanish: what the watches told before decides who may have their shares."""

from dataclasses import replace
from ipaddress import IPv4Address

from kun_cluster.formats.allocation_object import allocation_object
from kun_cluster.formats.times import unix_time
from kun_cluster.model.egress import EgressAllocation, Meta, Owner, Use
from kun_cluster.state.world import World
from tests.controller.objects import pool

POOLS = {"standard": pool(networks="192.0.2.0/30", cool_down_s=600)}
SHARE = EgressAllocation(
    Meta("192-0-2-1-1024", uid="u", resource_version="7"), "standard", IPv4Address("192.0.2.1"), Use.SHARE,
    Owner("EgressPolicy", "web", "team-00", "uid-web"), 1024, 2047, "gw1", 5.0,
)  # fmt: skip
KIND = "EgressAllocation"


def knowing(one: EgressAllocation) -> World:
    world = World()
    world.list_all(KIND, [one])
    return world


def test_an_allocation_missing_in_a_new_list_cools_from_then_on() -> None:
    world = knowing(SHARE)
    world.list_all(KIND, [])
    (lost,) = world.lost.cooling(POOLS, 100.0).values()
    assert (lost.released_at, lost.owner, lost.meta.resource_version) == (100.0, SHARE.owner, "")
    assert world.lost.cooling(POOLS, 699.0)
    assert not world.lost.cooling(POOLS, 700.0)


def test_one_that_somebody_deleted_cools_too() -> None:
    world = knowing(SHARE)
    world.drop(KIND, "", SHARE.meta.name)
    assert world.lost.cooling(POOLS, 100.0).keys() == {"192-0-2-1-1024"}


def test_one_that_is_there_again_is_not_lost() -> None:
    for again in (lambda world: world.put(KIND, SHARE), lambda world: world.list_all(KIND, [SHARE])):
        world = knowing(SHARE)
        world.drop(KIND, "", SHARE.meta.name)
        world.lost.cooling(POOLS, 100.0)
        again(world)
        assert not world.lost.cooling(POOLS, 101.0)


def test_one_that_was_deleted_because_it_had_cooled_is_not_kept() -> None:
    released = replace(SHARE, released_at=50.0)
    world = knowing(released)
    world.drop(KIND, "", released.meta.name)
    assert not world.lost.cooling(POOLS, 650.0)
    world = knowing(released)
    world.drop(KIND, "", released.meta.name)
    (lost,) = world.lost.cooling(POOLS, 649.0).values()
    assert lost.released_at == 50.0


def test_a_time_of_release_is_rounded_up_so_that_no_cool_down_is_short() -> None:
    written = allocation_object(replace(SHARE, released_at=1_800_000_000.001))["spec"]["releasedAt"]
    assert unix_time(written) == 1_800_000_001
