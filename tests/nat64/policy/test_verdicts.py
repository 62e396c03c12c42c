"""What `explain` decides and says."""

import io
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from time import monotonic, time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun_base.journal import Journal
from kun_nat64.config.load import load
from kun_nat64.model.fleet import Fleet, Member
from kun_nat64.model.health import Verdict
from kun_nat64.model.joolfacts import Protocol
from kun_nat64.model.spec import AgentSpec
from kun_nat64.model.standing import Standing
from kun_nat64.model.traffic import Binding, Endpoint4, Endpoint6, Session, Traffic
from kun_nat64.policy.explain import Denied, Explanation, Outsider, chosen_by, explain
from kun_nat64.policy.port_use import port_use
from kun_nat64.policy.ruleset import denied_networks
from kun_nat64.state.agent_state import State
from kun_nat64.views.explanation import as_data, as_text
from kun_nat64.views.status import snapshot
from tests.nat64.conftest import SHIPPED

WEB = IPv6Address("2002:cb00:7101::c633:6450")
POD, OTHER = IPv6Address("2002:a01:2:1::10"), IPv6Address("2002:a01:2:1::11")
SHIPPED_SPEC = load(SHIPPED)
# Short, so that other reasons than the list show.
LISTED = tuple(map(IPv4Network, ("127.0.0.0/8", "169.254.0.0/16", "10.0.0.0/8")))
SPEC = replace(SHIPPED_SPEC, gateway=replace(SHIPPED_SPEC.gateway, never_reach=LISTED))


def session(pod: IPv6Address, port: int, target: IPv6Address = WEB) -> Session:
    remote = Endpoint4(IPv4Address("198.51.100.80"), 443)
    outside = Endpoint4(IPv4Address("192.0.2.11"), 20000 + port)
    return Session(Protocol.TCP, Endpoint6(pod, port), Endpoint6(target, 443), outside, remote, 90.0, "ESTABLISHED")


def binding(pod: IPv6Address, port: int) -> Binding:
    return Binding(Protocol.TCP, Endpoint6(pod, port), Endpoint4(IPv4Address("192.0.2.11"), 20000 + port))


FLOWING = Traffic(
    (binding(POD, 1), binding(POD, 2), binding(OTHER, 3)),
    (session(POD, 1), session(POD, 2, IPv6Address("2002:cb00:7101::1")), session(OTHER, 3)),
)


@pytest.mark.parametrize(
    ("address", "network", "denied"),
    [
        pytest.param("2002:cb00:7101::a00:1", "10.0.0.0/8", Denied.LISTED, id="listed"),
        pytest.param("2002:cb00:7101::7f00:1", "127.0.0.0/8", Denied.LISTED, id="listed-and-never"),
        pytest.param("2002:cb00:7101::e000:1", "224.0.0.0/4", Denied.NEVER, id="multicast"),
        pytest.param("2002:cb00:7101::ffff:ffff", "240.0.0.0/4", Denied.NEVER, id="broadcast"),
        pytest.param("2002:cb00:7101::cb00:7101", "203.0.113.1/32", Denied.OWN, id="the-vip"),
        pytest.param("2002:cb00:7101::c000:20b", "192.0.2.11/32", Denied.OWN, id="pool4"),
    ],
)
def test_a_denial_names_the_network_and_who_wants_it(address: str, network: str, denied: Denied) -> None:
    said = explain(IPv6Address(address), SPEC, Traffic())
    assert (str(said.denied_by), said.denied, said.reachable) == (network, denied, False)


ODD = tuple(map(IPv4Address, ("10.1.2.3", "192.0.2.11", "203.0.113.1", "198.51.100.7", "192.0.0.9", "192.0.0.8")))


@given(st.ip_addresses(v=4) | st.sampled_from(ODD), st.sampled_from([SPEC, SHIPPED_SPEC]))
def test_what_is_said_is_what_the_rules_do(ipv4: IPv4Address, spec: AgentSpec) -> None:
    own = frozenset({IPv4Address("198.51.100.7")})
    said = explain(spec.gateway.pool6.embed(ipv4), spec, Traffic(), own=own)
    assert said.ipv4 == ipv4
    assert said.reachable is not any(ipv4 in network for network in denied_networks(spec, own))


@pytest.mark.parametrize(
    ("address", "what", "words"),
    [
        ("2002:cb00:7101:1::1", Outsider.SIXTOFOUR_OF_VIP, "6to4 network of the VIP"),
        ("2002:cb00:7181::1", Outsider.SIXTOFOUR, "(203.0.113.129)"),
        ("64:ff9b::c633:6450", Outsider.WELL_KNOWN, "198.51.100.80 is 2002:cb00:7101::c633:6450"),
        ("64:ff9b:1::1", Outsider.LOCAL_USE, "RFC 8215"),
        ("2001:db8::1", Outsider.OTHER, "needs no translation"),
    ],
)
def test_an_address_outside_is_named_with_the_prefix_that_is_served(address: str, what: Outsider, words: str) -> None:
    said = explain(IPv6Address(address), SPEC, Traffic())
    text = as_text(said, SPEC, None, None)
    assert (said.ipv4, said.outsider, said.reachable) == (None, what, False)
    assert "2002:cb00:7101::/96, the only prefix that this gateway serves" in text
    assert words in text


def test_sessions_of_the_destination_come_with_their_bindings() -> None:
    said = explain(WEB, SPEC, FLOWING)
    assert said.sessions == (session(POD, 1), session(OTHER, 3))
    assert said.bindings == (binding(POD, 1), binding(OTHER, 3))


def test_with_a_client_only_its_own_are_shown() -> None:
    said = explain(WEB, SPEC, FLOWING, POD)
    assert said.sessions == (session(POD, 1),)
    assert said.sender is not None
    assert said.sender.bindings == (binding(POD, 1), binding(POD, 2))
    assert said.sender.sessions == 2


@pytest.mark.parametrize(
    ("pod", "keys", "dropped"),
    [
        pytest.param("2002:a01:2:1::10", {}, "", id="a-node-of-ours"),
        pytest.param("2002:c0a8:2:1::10", {}, "gateway.clients", id="another-node"),
        pytest.param("2001:db8::10", {}, "gateway.check_source", id="no-6to4"),
        pytest.param("2001:db8::10", {"check_source": False}, "", id="no-6to4-and-not-checked"),
    ],
)
def test_a_pod_is_let_in_or_the_key_that_forbids_it_is_named(
    pod: str, keys: dict[str, Any], dropped: str, spec_with: Callable[..., AgentSpec]
) -> None:
    spec = spec_with(gateway=keys)
    said = explain(WEB, spec, Traffic(), IPv6Address(pod))
    assert said.sender is not None
    assert dropped in said.sender.dropped
    assert said.reachable is not bool(dropped)
    assert ("pod:      dropped" in as_text(said, spec, None, None)) is bool(dropped)


def status_of(spec: AgentSpec, **limited: int) -> dict[str, Any]:
    """As the agent gives it: gw1 soft, gw2 in the set, a third one silent."""
    state = State(spec, Journal("test", stream=io.StringIO()), clock=monotonic, wall=time)
    members = (Member("http://gw2", "gw2", 0.0, Standing.FULL, Verdict.HEALTHY),)
    state.take_fleet(Fleet(2, members))
    state.flow.limited = {IPv6Network(POD): 2} if limited else {}
    data = snapshot(state, now=0.0, wall=0.0)
    data["announcement"]["standing"] = "soft"
    return data


def test_it_says_which_gateways_the_router_uses(spec: AgentSpec) -> None:
    text = as_text(explain(WEB, spec, Traffic()), spec, None, status_of(spec))
    assert "the router picks one for each flow, by its own hash" in text
    assert "any that announces 203.0.113.1; now gw2; not used: gw1 (this one) soft; 1 do not answer" in text


def test_a_fleet_that_is_all_soft_is_used_all_the_same(spec: AgentSpec) -> None:
    status = status_of(spec)
    status["fleet"]["members"][0]["standing"] = "soft"
    assert "now gw1 (this one), gw2" in as_text(explain(WEB, spec, Traffic()), spec, None, status)


def test_a_client_at_its_limit_is_told(spec_with: Callable[..., AgentSpec]) -> None:
    spec = spec_with(nat64={"sessions_per_client": 2})
    said = explain(WEB, spec, FLOWING, POD)
    text = as_text(said, spec, port_use(FLOWING, spec), status_of(spec, limited=2))
    assert "2 sessions for each /128" in text
    assert f"{POD}/128 holds 2; it gets no new ports now" in text
    data = as_data(said, spec, None, status_of(spec, limited=2))
    assert (data["client"]["limited"], data["client"]["sessions"]) == (True, 2)


def test_a_client_is_a_whole_network_where_the_operator_says_so(spec_with: Callable[..., AgentSpec]) -> None:
    spec = spec_with(nat64={"sessions_per_client": 2, "client_length": 64})
    said = explain(WEB, spec, FLOWING, POD)
    assert said.sender is not None
    assert (str(said.sender.client), said.sender.sessions) == ("2002:a01:2:1::/64", 3)


def test_ports_in_use_are_counted_where_jool_answers(spec: AgentSpec) -> None:
    assert "tcp 192.0.2.11 (3 of 40001 ports in use)" in lines(explain(WEB, spec, FLOWING), spec, FLOWING)
    unknown = as_text(explain(WEB, spec, Traffic()), spec, None, None)
    assert "tcp 192.0.2.11 (40001 ports)" in unknown
    assert "not known: Jool could not be asked" in unknown


@pytest.mark.parametrize(
    ("args", "chosen"),
    [
        (None, ("source address",)),
        (11, ("source address", "destination address", "destination port")),
        (0, ()),
    ],
)
def test_what_decides_among_several_public_addresses(
    args: int | None, chosen: tuple[str, ...], spec_with: Callable[..., AgentSpec]
) -> None:
    pool4 = [{"address": f"192.0.2.{n}", "ports": "20000-60000"} for n in (11, 12)]
    spec = spec_with(nat64={"pool4": pool4, **({} if args is None else {"globals": {"f-args": args}})})
    assert chosen_by(spec) == chosen
    text = as_text(explain(WEB, spec, Traffic()), spec, None, None)
    assert f"a new binding's address follows from: {', '.join(chosen) or 'nothing'}" in text


def test_one_public_address_leaves_no_choice_to_explain(spec: AgentSpec) -> None:
    assert "f-args" not in as_text(explain(WEB, spec, Traffic()), spec, None, None)


def test_a_busy_destination_is_counted_not_listed(spec: AgentSpec) -> None:
    busy = Traffic((), tuple(session(POD, port) for port in range(1, 31)))
    text = lines(explain(WEB, spec, busy), spec, busy)
    assert text.count("session:") == 11
    assert "and 20 more" in text


def lines(said: Explanation, spec: AgentSpec, traffic: Traffic) -> str:
    return as_text(said, spec, port_use(traffic, spec), None)
