"""Which pool a name leaves by for one class of clients (`[[client]] domains` and `pool`)."""

from ipaddress import ip_address, ip_network

import pytest

from kun_dns64.model.rules import ClientPolicy, Pool
from kun_dns64.policy.plain_query import PlainClients
from kun_dns64.policy.prepared import prepare
from kun_dns64.policy.suffix import build_suffix_set

from ..world import answer, nodata, prefix, query, run, wire_name
from ..world import rules as changed_rules

NEAR, FAR, LISTED = (prefix(f"2001:db8:{n}::/96") for n in ("a", "b", "c"))
POOLS = (Pool("near", (NEAR,)), Pool("far", (FAR,)), Pool("listed", (LISTED,)))
SOME = ClientPolicy(
    "some", (ip_network("2001:db8:1::/48"),),
    domains={wire_name("own.example"): "near", wire_name("deep.own.example"): "far"},
)  # fmt: skip
BOTH = ClientPolicy("both", (ip_network("2001:db8:2::/48"),), pool="far", domains={wire_name("own.example"): "near"})
ALL = ClientPolicy("all", (ip_network("2001:db8:3::/48"),), pool="far")
TABLE, _ = build_suffix_set({"listed": [b"listed.example\nown.example\n"]})
UNDER = changed_rules(clients=(SOME, BOTH, ALL), pools=POOLS, pool_of=TABLE)


def made(name: str, source: str) -> str:
    said = {f"{name}. AAAA": nodata(), f"{name}. A": answer(f"{name}. 60 A 192.0.2.33")}
    return run(query(f"{name}.", "AAAA", source=ip_address(source)), said, UNDER).lines[0].split()[-1]


@pytest.mark.parametrize(
    ("source", "name", "head"),
    [
        ("2001:db8:1::7", "www.own.example", "2001:db8:a::"),
        ("2001:db8:1::7", "www.deep.own.example", "2001:db8:b::"),
        ("2001:db8:1::7", "xown.example", "2002:c633:6440::"),
        ("2001:db8:1::7", "listed.example", "2001:db8:c::"),
        ("2001:db8:1::7", "other.example", "2002:c633:6440::"),
        ("2001:db8:2::7", "own.example", "2001:db8:a::"),
        ("2001:db8:2::7", "other.example", "2001:db8:b::"),
        ("2001:db8:3::7", "listed.example", "2001:db8:b::"),
        ("2001:db8:9::7", "own.example", "2001:db8:c::"),
    ],
)
def test_the_clients_own_domains_come_first_and_hide_no_list(source: str, name: str, head: str) -> None:
    assert made(name, source) == f"{head}c000:221"


def test_the_short_way_takes_the_same_pool() -> None:
    plain = PlainClients(prepare(UNDER)).of(ip_address("2001:db8:1::7"))
    assert plain is not None
    for name, pool in (("www.own.example", NEAR), ("listed.example", LISTED), ("deep.own.example", FAR)):
        found = plain.exit(wire_name(name))
        assert found is not None
        assert found.head == pool.head
