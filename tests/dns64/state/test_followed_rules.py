"""The followed table as a resolver's rules: the order of pools in docs/kubernetes.md, and what makes new rules."""

from dataclasses import replace
from ipaddress import IPv6Network, ip_address

import pytest

from kun_base.prefix import Prefix
from kun_base.table_fields import TableFault
from kun_base.table_intake import TableIntake
from kun_cluster.formats.record_text import Record
from kun_cluster.model.table import ClassRecord, Client
from kun_dns64.formats.names import from_text
from kun_dns64.model.members_update import MembersUpdate
from kun_dns64.model.rules import GatewayDown, Pool, Rules
from kun_dns64.policy.followed_clients import FollowedClients
from kun_dns64.policy.network_index import MISS
from kun_dns64.policy.plain_query import Plain
from kun_dns64.policy.pool import exit_for
from kun_dns64.policy.prepared import prepare
from kun_dns64.state.followed_rules import FollowedRules, check_for_resolver, with_followed, without_followed
from tests.base.table_world import DEFAULT, NATIVE, OVERSEAS, POOL, SMALL, Controller, feed

OWN = Rules(0, (Prefix.parse("64:ff9b::/96"),), (), (), pools=(Pool("overseas", (Prefix.parse("2001:db8::/96"),)),))


class World:
    """A controller, an intake, and the rules that follow."""

    def __init__(self, records: dict[tuple[str, str], Record] | None = None) -> None:
        self.controller = Controller(records)
        self.intake = TableIntake()
        self.intake.check = lambda change: check_for_resolver(change, self.intake.table)
        self.rules = FollowedRules(self.intake.table)
        self.clients = FollowedClients()
        self.intake.connected("", "all")
        self._take(self.controller.snapshot())

    def say(self, records: dict[tuple[str, str], Record | None]) -> bool:
        """Returns whether there are new rules."""
        before = self.rules.policies
        self._take(self.controller.say(records))
        return self.rules.policies is not before

    def _take(self, lines: list[str]) -> None:
        for change in feed(self.intake, lines):
            self.rules.take(change)
            self.rules.settle()
            members = tuple(self.rules.member(network) for network in change.clients)
            self.clients.apply(MembersUpdate(members, self.rules.class_policies()))

    def all_rules(self) -> Rules:
        return with_followed(OWN, self.rules.policies, self.clients)

    def pool(self, address: str, name: str) -> str:
        rules = self.all_rules()
        prepared = prepare(rules)
        index = prepared.clients.of(ip_address(address))
        client = None if index == MISS else rules.clients[index]
        found = exit_for(from_text(name).lower(), client, prepared)
        plain = Plain(client, prepared)
        assert plain.one is None or prepared.exits[found.pool].ways[0].head == plain.one.head
        return found.pool


def of(address: str, class_name: str) -> dict[tuple[str, str], Record | None]:
    return {("client", address): Client(class_name, "ns", "pod")}


def test_the_pool_of_a_name_is_looked_for_in_the_documents_order() -> None:
    world = World()
    assert world.pool("2002:a01:2::7", "www.example.org") == "table:overseas"
    assert world.pool("2002:a01:2::7", "www.example.net") == "table:standard"
    assert world.pool("2002:a01:2:1::10", "www.example.net") == "table:overseas"
    special = replace(DEFAULT, pool="overseas", domains=(("a.example.net", "standard"), ("example.net", "overseas")))
    world.say({("class", "special"): special, **of("2002:a01:9::1", "special")})
    assert world.pool("2002:a01:9::1", "x.A.example.net") == "table:standard"
    assert world.pool("2002:a01:9::1", "other.example") == "table:overseas"
    hidden = replace(DEFAULT, without=("overseas",))
    world.say({("class", "hidden"): hidden, **of("2002:a01:9::2", "hidden")})
    assert world.pool("2002:a01:9::2", "www.example.org") == "table:standard"
    # Who is in no record is treated by the file alone, which may have a pool of the same name.
    assert world.pool("2001:db8::1", "www.example.org") == ""


def test_without_a_default_pool_names_leave_by_the_files_prefixes() -> None:
    world = World({**SMALL, ("pool", "standard"): replace(POOL, is_default=False)})
    assert world.pool("2002:a01:2::7", "www.example.net") == ""


def test_what_a_class_says_is_what_its_clients_get() -> None:
    world = World()
    rules = world.all_rules()
    table = prepare(rules).clients
    assert not rules.clients[table.of(ip_address("10.1.2.3"))].dns64
    assert rules.clients[table.of(ip_address("2002:a01:2::99"))].dns64
    assert table.of(ip_address("2002:a01:3::1")) == MISS
    assert without_followed(rules).pools == OWN.pools
    assert without_followed(rules).clients == ()


def test_a_pod_that_flips_makes_no_new_rules_and_neither_does_a_class_like_others() -> None:
    world = World()
    assert not world.say(of("2002:a01:2:1::10", "native"))
    assert not world.say({("class", "team-01/b"): replace(NATIVE, mark=9), **of("2002:a01:2:1::11", "team-01/b")})
    assert not world.say({("class", "team-01/b"): replace(DEFAULT, mark=9)})
    assert not world.say({("client", "2002:a01:2:1::10"): None, ("client", "2002:a01:2:1::11"): None})
    assert world.say({("class", "new"): replace(DEFAULT, filter_a=True), **of("2002:a01:2:1::12", "new")})
    assert world.say({("pool", "overseas"): replace(OVERSEAS, domains=("example.com",))})


def test_a_class_changes_for_all_its_clients_at_once() -> None:
    world = World()
    world.say({("class", "team-00/web"): NATIVE})
    rules = world.all_rules()
    assert not rules.clients[prepare(rules).clients.of(ip_address("2002:a01:2:1::10"))].dns64


def test_numbers_and_places_do_not_grow_with_classes_that_come_and_go() -> None:
    world = World()
    for number in range(300):
        name = f"team/{number}"
        record: ClassRecord = replace(DEFAULT, domains=((f"d{number}.example", "overseas"),))
        world.say({("class", name): record, **of("2002:a01:9::1", name)})
        assert world.pool("2002:a01:9::1", f"d{number}.example") == "table:overseas"
        world.say({("client", "2002:a01:9::1"): None, ("class", name): None})
    assert len(world.rules.policies.clients) <= 5
    assert len(world.rules.class_policies()) <= 2 * 8


def test_pools_say_what_happens_without_a_gateway() -> None:
    status = ("http://10.2.1.2:9465/readyz",)
    world = World({**SMALL, ("pool", "overseas"): replace(OVERSEAS, when_down="stop", gateway_status=status)})
    pools = {pool.name: pool for pool in world.rules.policies.pools}
    assert pools["table:overseas"].when_down is GatewayDown.STOP
    assert pools["table:overseas"].fallback == "table:standard"
    assert world.rules.policies.urls == {"table:overseas": status}
    rules = replace(world.all_rules(), pools_down=frozenset({"table:overseas"}))
    assert prepare(rules).exits["table:overseas"].ways[0].prefix.network == IPv6Network("2002:cb00:7101::/96")
    both = replace(rules, pools_down=frozenset({"table:overseas", "table:standard"}))
    assert prepare(both).exits["table:overseas"].stop
    assert not prepare(both).exits["table:standard"].stop


WRONG = {
    "no prefix": ({("pool", "x"): replace(OVERSEAS, prefixes=(), domains=())}, "has no prefix"),
    "a prefix of link-local addresses": ({("pool", "x"): replace(OVERSEAS, prefixes=("fe80::/96",))}, "link-local"),
    "a domain that is none": ({("pool", "x"): replace(OVERSEAS, domains=("a..b",))}, "a..b"),
    "a domain of a class that is none": (
        {("class", "x"): replace(DEFAULT, domains=(("a" * 64, "overseas"),))},
        "domain",
    ),
}


@pytest.mark.parametrize(("records", "sentence"), WRONG.values(), ids=WRONG)
def test_what_a_resolver_cannot_use_is_refused(records: dict[tuple[str, str], Record | None], sentence: str) -> None:
    world = World()
    version = world.intake.in_force.version
    with pytest.raises(TableFault, match=sentence):
        world.say(records)
    assert world.intake.in_force.version == version
