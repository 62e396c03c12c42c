"""What only one gateway of a fleet may have."""

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from time import monotonic

import pytest

from kun_nat64.formats import memberstatus
from kun_nat64.model.fleet import Fleet, Member
from kun_nat64.model.health import Verdict
from kun_nat64.model.joolfacts import Protocol
from kun_nat64.model.spec import AgentSpec, PoolRange, Tenant
from kun_nat64.model.standing import Standing
from kun_nat64.policy.fleet_view import contradictions
from kun_nat64.views.status import brief
from tests.nat64.cycle.test_cycle import Gateway, gateway

__all__ = ["gateway"]
OTHER = Member(
    "http://10.2.2.2:9465",
    "gw2",
    1.0,
    Standing.FULL,
    Verdict.HEALTHY,
    router_id="10.2.2.2",
    pool4=(IPv4Network("192.0.2.12/32"),),
)


@pytest.mark.parametrize(
    ("member", "words"),
    [
        pytest.param(OTHER, (), id="its-own-of-everything"),
        pytest.param(replace(OTHER, router_id="10.2.1.2"), ("bgp.router_id 10.2.1.2",), id="router-id"),
        pytest.param(replace(OTHER, pool4=(IPv4Network("192.0.2.0/28"),)), ("addresses 192.0.2.11/32",), id="pool4"),
        pytest.param(replace(OTHER, name="gw1"), ("gateway.name gw1",), id="name"),
        pytest.param(replace(OTHER, router_id="", pool4=()), (), id="one-that-does-not-tell"),
    ],
)
def test_what_two_gateways_share_is_named(spec: AgentSpec, member: Member, words: tuple[str, ...]) -> None:
    found = list(contradictions(spec, Fleet(1, (member,))))
    assert len(found) == len(words)
    assert all(word in line for word, line in zip(words, found, strict=True))


def test_an_address_that_a_tenant_has_on_two_gateways_is_named(spec_with: Callable[..., AgentSpec]) -> None:
    tenant = Tenant("team-00", 4194305, (PoolRange(IPv4Address("192.0.2.99"), 2048, 3071, tuple(Protocol)),))
    spec = replace(spec_with(), tenants=(tenant,))
    (found,) = contradictions(spec, Fleet(1, (replace(OTHER, pool4=(IPv4Network("192.0.2.96/29"),)),)))
    assert "public addresses 192.0.2.99/32" in found


def test_a_gateway_tells_the_others_what_must_be_its_own(gateway: Gateway, spec_with: Callable[..., AgentSpec]) -> None:
    told = memberstatus.parse(brief(gateway.state, now=gateway.now), "http://x", seen_at=monotonic())
    assert told.router_id == "10.2.1.2"
    assert told.pool4 == (IPv4Network("192.0.2.11/32"),)
    assert list(contradictions(gateway.spec, Fleet(1, (told,)))), "of itself, everything is the same"
