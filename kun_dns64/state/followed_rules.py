"""The followed table as a resolver's rules: pools, policies, and which class has which policy.

Many classes say the same to a resolver (they differ in addresses and marks), so they share a policy. A policy has a
place that it keeps; a class has a number that it keeps while it has clients. So what changes for a client, or for a
class, makes new rules only where there is a policy or a pool that was not there before.
"""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from kun_base.prefix import prefix_problem
from kun_base.table_fields import TableFault, packed_network
from kun_base.table_records import FollowedPool
from kun_base.table_state import FollowedTable, TableChange
from kun_dns64.model.members_update import Member
from kun_dns64.model.rules import ClientPolicy, FollowedLookup, GatewayDown, Pool, Rules
from kun_dns64.model.table_update import FollowedRulesUpdate
from kun_dns64.policy.address_table import MOST_NUMBER
from kun_dns64.policy.gateway import DEFAULT
from kun_dns64.policy.network_index import MISS
from kun_dns64.policy.suffix import suffix_from_text

# In front of the names of the table's pools: the file may have others of the same name.
OWNER = "table:"
# Of policies; a finished reply is kept under two bytes of its policy's place.
MOST_POLICIES = 60_000


@dataclass(frozen=True, slots=True)
class FollowedPolicies:
    """What the table adds to the rules of the file. `urls`: where to ask for the state of each pool's gateways."""

    pools: tuple[Pool, ...] = ()
    clients: tuple[ClientPolicy, ...] = ()
    urls: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def with_followed(rules: Rules, policies: FollowedPolicies, clients: FollowedLookup) -> Rules:
    """The rules of the file, and those of the table instead of others of it."""
    own = without_followed(rules)
    return replace(
        own,
        pools=(*own.pools, *policies.pools),
        clients=(*own.clients, *policies.clients),
        followed=clients,
        followed_from=len(own.clients),
    )


def updated_rules(rules: Rules, update: FollowedRulesUpdate) -> Rules:
    """Rules that follow a table, with the pools and policies it has now."""
    assert rules.followed is not None
    made = with_followed(rules, FollowedPolicies(update.pools, update.clients), rules.followed)
    return replace(made, generation=update.generation, pools_down=update.pools_down)


def without_followed(rules: Rules) -> Rules:
    """The rules of the file alone."""
    if rules.followed is None:
        return rules
    pools = tuple(pool for pool in rules.pools if not pool.name.startswith(OWNER))
    return replace(rules, pools=pools, clients=rules.clients[: rules.followed_from], followed=None, followed_from=0)


class _Meaning(NamedTuple):
    """All that a class says to a resolver."""

    synthesise: bool
    filter_a: bool
    pool: str
    domains: tuple[tuple[str, str], ...]
    without: frozenset[str]


UNUSED = _Meaning(True, False, "", (), frozenset())


class FollowedRules:
    """`table`: as the follower keeps it. `take` every change of it, after it is in force."""

    def __init__(self, table: FollowedTable) -> None:
        self._table = table
        self._numbers: dict[str, int] = {}
        self._names: list[str | None] = []
        self._free: list[int] = []
        self._given_back: list[int] = []
        self._left: list[int] = []
        self._meanings: list[_Meaning] = []
        self._places: dict[_Meaning, int] = {}
        self._pools: dict[str, FollowedPool] = {}
        self.policies = FollowedPolicies()

    def take(self, change: TableChange) -> None:
        """`policies` are another object where there are new rules."""
        self._number(change)
        is_new = self._mean()
        if is_new or change.pools:
            self._pools = dict(self._table.pools)
            self.policies = FollowedPolicies(*self._resolved())

    def class_policies(self) -> bytes:
        """The place of each class's policy, by the class's number."""
        found = array("H", [0 if name is None else self._places[self._meaning(name)] for name in self._names])
        return found.tobytes()

    def member(self, network: str) -> Member:
        """A client as workers know it."""
        client = self._table.clients.get(network)
        start, length = packed_network(network)
        return start, length, MISS if client is None else self._numbers[client.class_name]

    def settle(self) -> None:
        """Everything said before the last call is known everywhere: numbers given back until then are free again."""
        self._free += self._given_back
        self._given_back, self._left = self._left, []

    def _number(self, change: TableChange) -> None:
        """Numbers for classes that have clients. Some who has left a class may still stand under its number for a
        while, so that is not given to another at once.
        """
        used = self._table.clients_of
        for name in {client.class_name for client in change.clients.values() if client is not None}:
            if name not in self._numbers:
                number = self._free.pop() if self._free else len(self._names)
                self._names[number : number + 1] = [name]
                self._numbers[name] = number
        for name in [name for name in self._numbers if not used[name]]:
            number = self._numbers.pop(name)
            self._names[number] = None
            self._left.append(number)

    def _mean(self) -> bool:
        """Places for what the classes say; returns whether one is new. A place nobody needs is given to another."""
        wanted = {self._meaning(name) for name in self._numbers}
        new = wanted - self._places.keys()
        if not new:
            return False
        spare = [meaning for meaning in self._places if meaning not in wanted]
        for meaning in sorted(new):
            if spare:
                place = self._places.pop(spare.pop())
                self._meanings[place] = meaning
            else:
                place = len(self._meanings)
                self._meanings.append(meaning)
            self._places[meaning] = place
        return True

    def _meaning(self, name: str) -> _Meaning:
        found = self._table.classes[name]
        hidden = frozenset(found.without) if not found.pool else frozenset[str]()
        return _Meaning(found.synthesise, found.filter_a, found.pool, found.domains, hidden)

    def _resolved(self) -> tuple[tuple[Pool, ...], tuple[ClientPolicy, ...], Mapping[str, tuple[str, ...]]]:
        pools = self._pools
        default = next((OWNER + name for name, pool in pools.items() if pool.is_default), "")
        found = tuple(_pool(name, pool, default) for name, pool in sorted(pools.items()))
        domains: dict[frozenset[str], dict[bytes, str]] = {}
        for meaning in self._meanings:
            if meaning.without not in domains:
                domains[meaning.without] = _pool_domains(pools, meaning.without)
        clients = tuple(_policy(meaning, domains[meaning.without], default) for meaning in self._meanings)
        urls = {OWNER + name: pool.gateway_status for name, pool in pools.items() if pool.gateway_status}
        return found, clients, urls


def _pool(name: str, pool: FollowedPool, default: str) -> Pool:
    fallback = (default or DEFAULT) if pool.fallback == DEFAULT else OWNER + pool.fallback if pool.fallback else ""
    own = OWNER + name
    return Pool(own, pool.prefixes, "", "" if fallback == own else fallback, GatewayDown(pool.when_down))


def _pool_domains(pools: Mapping[str, FollowedPool], without: frozenset[str]) -> dict[bytes, str]:
    found: dict[bytes, str] = {}
    for name, pool in sorted(pools.items()):
        if name not in without:
            for domain in pool.domains:
                found.setdefault(suffix_from_text(domain), OWNER + name)
    return found


def _policy(meaning: _Meaning, pool_domains: Mapping[bytes, str], default: str) -> ClientPolicy:
    return ClientPolicy(
        "table",
        (),
        meaning.synthesise,
        meaning.filter_a,
        OWNER + meaning.pool if meaning.pool else "",
        {suffix_from_text(domain): OWNER + pool for domain, pool in meaning.domains},
        followed=True,
        pool_domains=pool_domains,
        default_pool=default,
    )


def check_for_resolver(change: TableChange, table: FollowedTable) -> None:
    """Raise TableFault for what a resolver cannot use."""
    for name, pool in change.pools.items():
        if pool is not None:
            _check_pool(name, pool)
    for name, found in change.classes.items():
        if found is not None:
            _check_domains(f"class {name!r}", [domain for domain, _ in found.domains])
    used = {name for name, count in table.clients_of.items() if count}
    used |= {client.class_name for client in change.clients.values() if client is not None}
    if len(used) > min(MOST_NUMBER, MOST_POLICIES):
        raise TableFault(f"clients are in {len(used)} classes; a resolver can distinguish {MOST_POLICIES}")


def _check_pool(name: str, pool: FollowedPool) -> None:
    if not pool.prefixes:
        raise TableFault(f"pool {name!r} has no prefix")
    for prefix in pool.prefixes:
        if problem := prefix_problem(prefix, allow_nonglobal=True):
            raise TableFault(f"pool {name!r}: {prefix}: {problem}")
    _check_domains(f"pool {name!r}", list(pool.domains))


def _check_domains(where: str, domains: list[str]) -> None:
    for domain in domains:
        try:
            suffix_from_text(domain)
        except ValueError as error:
            raise TableFault(f"{where}: domain {domain!r}: {error}") from None
