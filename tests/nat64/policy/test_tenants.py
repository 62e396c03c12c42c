"""Tenants as facts: what they make of a machine, what their limits do, what the guard says of their going."""

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest

from kun_nat64.config.load import from_data
from kun_nat64.model.announcement import WITHDRAWN
from kun_nat64.model.clients import Client, Clients
from kun_nat64.model.facts import Fact, Facts, OwnTable, Pool4, TenantTable
from kun_nat64.model.joolfacts import LIMIT_MARK, Protocol
from kun_nat64.model.observation import Observation
from kun_nat64.model.plan import Action, RefusalKind
from kun_nat64.model.spec import AgentSpec
from kun_nat64.model.tenantfacts import is_tenant_mark, mark_of_tenant
from kun_nat64.model.traffic import Binding, Endpoint4, Endpoint6, Traffic
from kun_nat64.policy.desired import after_teardown, desired
from kun_nat64.policy.diff import plan
from kun_nat64.policy.guard import Circumstances, guard, passed
from kun_nat64.policy.order import batches
from kun_nat64.policy.port_use import port_use, tenant_port_use
from kun_nat64.policy.ruleset import denied_networks
from kun_nat64.policy.tenants import at_their_limit, limits_in_force, sessions_of, tenant_table

Make = Callable[..., AgentSpec]


def tenant(n: int, **keys: Any) -> dict[str, Any]:
    ports = [{"address": f"192.0.2.{100 + n}"}]
    return {"name": f"t{n}", "networks": [f"2002:a01:{n:x}::/48"], "pool4": ports, **keys}


@pytest.fixture
def make(shipped_data: dict[str, Any]) -> Make:
    return lambda *tenants: from_data({**shipped_data, "tenant": list(tenants)}, "test")


def facts(spec: AgentSpec, held: frozenset[str] = frozenset()) -> Facts:
    return desired(spec, WITHDRAWN, held=held)


def mark(spec: AgentSpec, name: str) -> int:
    return mark_of_tenant(next(one.number for one in spec.tenants if one.name == name))


def of_kind(facts: Facts, kind: type[Fact]) -> list[Any]:
    return [fact for fact in facts if isinstance(fact, kind)]


def test_without_tenants_there_is_no_table(spec: AgentSpec) -> None:
    assert not of_kind(facts(spec), TenantTable)
    assert not any(fact.mark for fact in of_kind(facts(spec), Pool4))


def test_a_tenants_ports_have_its_mark_for_every_protocol(make: Make) -> None:
    spec = make(tenant(1))
    marked = {(one.protocol, str(one.address)) for one in of_kind(facts(spec), Pool4) if one.mark == mark(spec, "t1")}
    assert marked == {(protocol, "192.0.2.101") for protocol in Protocol}


def test_no_pod_reaches_a_tenants_address_and_fragments_to_it_are_looked_at(make: Make) -> None:
    spec = make(tenant(1))
    assert any(IPv4Address("192.0.2.101") in network for network in denied_networks(spec))
    fragments = next(fact for fact in of_kind(facts(spec), OwnTable) if "fragments" in fact.name)
    assert "192.0.2.101" in fragments.chains[0].rules[0]


def test_a_network_of_nobodys_needs_an_entry_only_inside_of_a_tenants(make: Make) -> None:
    spec = make(tenant(1))
    inside, outside = int(IPv6Address("2002:a01:1::5")), int(IPv6Address("2002:a01:7::5"))
    plain = Client("", "default", "plain")
    clients = Clients({**spec.clients.networks, 128: {inside: plain, outside: plain}})
    table = tenant_table(replace(spec, clients=clients))
    assert (128, inside, 0) in table.entries
    assert len(table.entries) == 2
    assert table.lengths == (128, 48)


def test_a_tenant_that_is_only_named_changes_no_packet(make: Make) -> None:
    table = tenant_table(make({"name": "named", "networks": ["2002:a01::/32"]}))
    assert (table.entries, table.denied, table.shared) == (set(), set(), set())


def test_ports_come_before_the_marks_that_need_them_and_go_after_them(make: Make, spec: AgentSpec) -> None:
    having = make(tenant(1))
    come = [change for change in plan(facts(having), Observation(facts(spec))).changes]
    order = [type(change.fact) for change in come if isinstance(change.fact, Pool4 | TenantTable)]
    assert order == [Pool4, Pool4, Pool4, TenantTable]
    go = plan(facts(spec), Observation(facts(having))).changes
    order = [type(change.fact) for change in go if isinstance(change.fact, Pool4 | TenantTable)]
    assert order == [TenantTable, Pool4, Pool4, Pool4]
    assert all(len({one.fact.area for one in batch}) == 1 for batch in batches(come))


def test_a_teardown_takes_tables_and_ports_of_tenants_of_any_file(make: Make) -> None:
    there = facts(make(tenant(1), tenant(2, pool4=[], deny=True)))
    left = after_teardown(frozenset(), there)
    assert not of_kind(left, TenantTable)
    assert not of_kind(left, Pool4)


def test_all_clients_of_a_tenant_are_counted_together(make: Make) -> None:
    spec = make(tenant(1, max_sessions=3), tenant(2))
    counts = {"2002:a01:1::1": 1, "2002:a01:1::2": 1, "2002:a01:1::3": 7, "2002:a01:2::1": 1, "2002:a01:9::1": 1}
    held = {int(IPv6Address(address)): count for address, count in counts.items()}
    assert sessions_of(held, spec.clients) == {"t1": 9, "t2": 1}


@pytest.mark.parametrize(
    ("held", "before", "limited"),
    [
        pytest.param(9, False, False, id="below the limit"),
        pytest.param(10, False, True, id="at the limit"),
        pytest.param(10, True, True, id="still at it"),
        pytest.param(9, True, False, id="clearly fewer"),
    ],
)
def test_a_tenant_at_its_limit_gets_no_new_ports(make: Make, held: int, before: bool, limited: bool) -> None:
    spec = make(tenant(1, max_sessions=10), tenant(2))
    found = at_their_limit(spec.tenants, {"t1": held, "t2": 10**6}, {"t1"} if before else set())
    assert found == ({"t1"} if limited else set())


def test_a_limit_is_two_facts_and_a_look_tells_it_from_the_table(make: Make) -> None:
    spec = make(tenant(1, max_sessions=10))
    free, limited = facts(spec), facts(spec, frozenset({"t1"}))
    changes = plan(limited, Observation(free)).changes
    assert {type(change.fact) for change in changes} == {Pool4, TenantTable}
    assert {change.fact.mark for change in changes if isinstance(change.fact, Pool4)} == {LIMIT_MARK}
    assert limits_in_force(limited, spec) == {"t1"}
    assert limits_in_force(free, spec) == set()
    lifted = plan(free, Observation(limited))
    assert not guard(lifted, replace(spec.guard, max_removals=0)), "a limit that is lifted is no removal"


def test_the_guard_counts_a_tenant_once_and_holds_all_of_it(make: Make, spec: AgentSpec) -> None:
    """Six tenants of three pool4 entries each: six, not eighteen; and five of them would pass."""
    six = make(*(tenant(n) for n in range(1, 7)))
    todo = plan(facts(make(tenant(1))), Observation(facts(six)))
    assert not guard(todo, six.guard, Circumstances()), "five tenants"
    todo = plan(facts(make()), Observation(facts(six)))
    (refused,) = guard(todo, six.guard, Circumstances())
    assert refused.kind is RefusalKind.TOO_MANY_REMOVALS
    assert "removes 6 objects" in refused.reason
    left = passed(todo, [refused]).changes
    assert not [one for one in left if one.action is Action.REMOVE or isinstance(one.fact, TenantTable)]


def test_networks_that_tenants_lose_count_as_the_tenants(make: Make) -> None:
    """Their clients would leave by everybody's addresses, or be let through."""
    spec = make(*(tenant(n) for n in range(1, 8)))
    table = tenant_table(spec)
    emptied = replace(table, entries=frozenset(list(table.entries)[:1]))
    todo = plan(frozenset({emptied}), Observation(frozenset({table})))
    (refused,) = guard(todo, spec.guard, Circumstances())
    assert "removes 6 objects" in refused.reason
    fewer = replace(table, entries=frozenset(list(table.entries)[:2]))
    assert not guard(plan(frozenset({fewer}), Observation(frozenset({table}))), spec.guard, Circumstances())


def test_one_owners_ports_in_use_are_not_anothers(make: Make) -> None:
    """Three owners of one address: everybody has 20000-60000 of it."""
    low = tenant(1, pool4=[{"address": "192.0.2.11", "ports": "1024-2047"}])
    high = tenant(2, pool4=[{"address": "192.0.2.11", "ports": "2048-3071"}, {"address": "192.0.2.99"}])
    spec = make(low, high)
    ports = (1024, 1025, 2048, 20000, 20001, 20002)
    bindings = [
        Binding(Protocol.TCP, Endpoint6(IPv6Address(n), 1), Endpoint4(IPv4Address("192.0.2.11"), port))
        for n, port in enumerate(ports)
    ]
    traffic = Traffic(tuple(bindings))
    assert port_use(traffic, spec)["192.0.2.11", "tcp"] == (3, 40001)
    use = tenant_port_use(traffic, spec)
    assert use["t1", "192.0.2.11", "tcp"] == (2, 1024)
    assert use["t2", "192.0.2.11", "tcp"] == (1, 1024)
    assert use["t2", "192.0.2.99", "udp"] == (0, 40001)


def test_marks_of_tenants_are_told_from_those_of_others() -> None:
    assert is_tenant_mark(mark_of_tenant(1))
    assert is_tenant_mark(mark_of_tenant(0xFFFFFF))
    assert not any(map(is_tenant_mark, (0, LIMIT_MARK, 1, 0x4A000001, 0x4C000001, 0x14B000001)))
