"""The table is a function of the objects: not of their order, nor of the way by which they came."""

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kun_cluster.formats.record_text import records_of, version_of
from kun_cluster.model.egress import AllowedNamespaces, Ipv4
from kun_cluster.model.table import Table
from kun_cluster.model.workload import IPV4_ENABLED, Namespace, Node, Pod
from kun_cluster.policy.ruleset import compile_rules
from kun_cluster.state.live_table import LiveTable, compile_objects
from tests.controller.objects import gateway, gathered, policy, pool
from tests.controller.objects import pod as make_pod

NAMESPACES = ("team-00", "team-01")
ADDRESSES = tuple(f"2002:a01::{number}" for number in range(4))
names = st.sampled_from(("a", "b", "c"))
days = st.integers(1, 3)

pods = st.builds(
    make_pod,
    name=names,
    address=st.lists(st.sampled_from(ADDRESSES), max_size=2, unique=True).map(" ".join),
    namespace=st.sampled_from(NAMESPACES),
    created=days,
    app=st.sampled_from(("", "web")),
    ipv4_enabled=st.sampled_from((None, "true", "false", "?")),
    finished=st.booleans(),
    terminating=st.booleans(),
)
policies = st.builds(
    policy,
    name=names,
    namespace=st.sampled_from(NAMESPACES),
    created=days,
    app=st.sampled_from(("", "web")),
    priority=st.integers(0, 1),
    ipv4=st.sampled_from((None, *Ipv4)),
    pool=st.sampled_from(("", "a", "b")),
)
pools = st.builds(
    pool,
    name=names,
    vip=st.sampled_from(("203.0.113.1", "203.0.113.2", "203.0.113.3")),
    created=days,
    networks=st.sampled_from(("", "192.0.2.0/28", "192.0.2.8/29", "198.51.100.0/28")),
    is_default=st.booleans(),
    fallback=st.sampled_from(("", "default", "a", "b")),
    domains=st.sampled_from(((), ("example.org",), ("example.org", "example.net"))),
    allowed=st.sampled_from((None, AllowedNamespaces(frozenset({"team-00"})))),
)
gateways = st.builds(gateway, name=names, of=names, created=days)
nodes = st.builds(Node, names, st.sampled_from(((), ("2002:a01::/64",), (ADDRESSES[0],))))
namespaces = st.builds(Namespace, st.sampled_from(NAMESPACES), st.sampled_from(({}, {IPV4_ENABLED: "true"})))
few = st.one_of(policies, pools, gateways, nodes, namespaces)
objects = st.lists(st.one_of(pods, pods, few), max_size=14)


def key_of(one: Any) -> tuple[str, str, str]:
    meta = getattr(one, "meta", one)
    return type(one).__name__, getattr(meta, "namespace", ""), meta.name


def distinct(found: list[Any]) -> list[Any]:
    return list({key_of(one): one for one in found}.values())


def table_of(found: list[Any]) -> Table:
    gathering = gathered(*found)
    return compile_objects(gathering, compile_rules(gathering.rules)).table()


@settings(max_examples=150)
@given(objects, st.randoms())
def test_order_has_no_influence(found: list[Any], random: Any) -> None:
    first = distinct(found)
    second = list(first)
    random.shuffle(second)
    one, other = table_of(first), table_of(second)
    assert one == other
    assert version_of(one) == version_of(other)


@settings(max_examples=150)
@given(objects, objects)
def test_changes_one_by_one_give_what_compiling_anew_gives(before: list[Any], after: list[Any]) -> None:
    old, new = distinct(before), distinct(after)
    gathering = gathered(*old)
    found = compile_objects(gathering, compile_rules(gathering.rules))
    records = {(kind, key): record for kind, key, record in records_of(found.table())}
    found.take_changes()
    found.survey()
    apply(found, old, new)
    assert found.table() == table_of(new)
    for touched in found.take_changes():
        assert records.pop((touched.kind, touched.key), None) == touched.old
        if touched.new is not None:
            records[touched.kind, touched.key] = touched.new
    assert records == {(kind, key): record for kind, key, record in records_of(table_of(new))}
    assert found.take_changes() == []
    anew = gathered(*new)
    assert found.survey() == compile_objects(anew, compile_rules(anew.rules)).survey()


def apply(found: LiveTable, old: list[Any], new: list[Any]) -> None:
    """Half of the pods' changes come before the rules change, half of them after."""
    coming = [one for one in new if isinstance(one, Pod)]
    for one in coming[: len(coming) // 2]:
        found.put_pod(one)
    found.put_rules(compile_rules(gathered(*new).rules))
    for one in coming[len(coming) // 2 :]:
        found.put_pod(one)
    for one in old:
        if isinstance(one, Pod) and one.key not in {other.key for other in coming}:
            found.drop_pod(one.key)


@settings(max_examples=100)
@given(objects)
def test_every_name_a_record_refers_to_is_in_the_table(found: list[Any]) -> None:
    table = table_of(distinct(found))
    assert {client.class_name for client in table.clients.values()} <= set(table.classes)
    assert {one.pool for one in table.gateways.values()} <= set(table.pools)
    for one in table.classes.values():
        assert {name for name in (one.pool, one.address_pool, *one.without) if name} <= set(table.pools)
        assert {name for _, name in one.domains} <= set(table.pools)
    assert {one.fallback for one in table.pools.values() if one.fallback} <= set(table.pools)
    assert sum(one.is_default for one in table.pools.values()) <= 1


def test_a_list_of_all_pods_removes_those_that_are_gone() -> None:
    one, other = make_pod("a", ADDRESSES[0]), make_pod("b", ADDRESSES[1])
    found = compile_objects(gathered(one, other), compile_rules(gathered().rules))
    found.replace_pods([replace(one, addresses=(ADDRESSES[2],))])
    assert set(found.table().clients) == {ADDRESSES[2]}
