"""[fleet] ring, ring_members, ring_address, and what they need."""

from collections.abc import Callable
from typing import Any

import pytest

from kun_base.errors import ConfigError
from kun_nat64.model.spec import AgentSpec

RING = {
    "twice": ({"ring_members": ["10.2.2.2", "10.2.2.2"]}, "fleet.ring_members[1]"),
    "oneself": ({"ring_members": ["10.2.1.2"]}, "fleet.ring_members[0]"),
    "oneself by ring_address": ({"ring_members": ["10.9.9.9"], "ring_address": "10.9.9.9"}, "fleet.ring_members[0]"),
    "the VIP": ({"ring_members": ["203.0.113.1"]}, "fleet.ring_members[0]"),
    "the VIP as own address": ({"ring_address": "203.0.113.1"}, "fleet.ring_address"),
    "IPv6": ({"ring_members": ["fd00::1"]}, "fleet.ring_members[0]"),
    "nobody": ({"members": []}, "fleet.ring = true"),
    "names alone": ({"members": ["http://gw2.example:9465"]}, "fleet.ring = true"),
    "no flows": ({"ring_flows_per_s": 0}, "fleet.ring_flows_per_s"),
}


@pytest.mark.parametrize(("keys", "where"), RING.values(), ids=RING.keys())
def test_a_ring_that_cannot_be_is_refused(
    spec_with: Callable[..., AgentSpec], keys: dict[str, Any], where: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        spec_with(fleet={"ring": True, **keys})
    assert where in str(refused.value)


def test_a_ring_needs_the_table_of_flows(spec_with: Callable[..., AgentSpec]) -> None:
    with pytest.raises(ConfigError, match=r"fleet.ring = true: needs nat64.reset_orphans"):
        spec_with(fleet={"ring": True}, nat64={"reset_orphans": False})


def test_the_ring_takes_addresses_from_the_members_urls_unless_they_are_named(
    spec_with: Callable[..., AgentSpec],
) -> None:
    urls = ["http://10.2.3.2:9465", "http://gw4.example:9465", "http://[fd00::5]:9465", "http://10.2.1.2:9465"]
    ring = spec_with(fleet={"ring": True, "members": urls}).fleet.ring
    assert ring is not None
    assert [str(one) for one in ring.members] == ["10.2.3.2"], "of others, in IPv4, and no names"
    named = spec_with(
        fleet={"ring": True, "members": urls, "ring_members": ["10.3.3.3", "10.3.2.2"], "ring_address": "10.3.1.1"}
    )
    assert named.fleet.ring is not None
    assert [str(one) for one in named.fleet.ring.members] == ["10.3.2.2", "10.3.3.3"]
    assert str(named.fleet.ring.own) == "10.3.1.1"
