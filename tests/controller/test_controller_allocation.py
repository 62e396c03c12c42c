"""Public shares: never two owners, never before the cool-down is over, whoever leads and however late it looks."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kun_cluster.model.egress import EgressAllocation, EgressGateway, EgressPolicy, EgressPool, Mode, Use
from kun_cluster.model.problem import Reason
from kun_cluster.model.share import SIZES, grid, mark_of, share_name, usable_ports
from kun_cluster.policy.allocation import AllocationPlan, plan_allocations
from kun_cluster.policy.capacity import capacity
from kun_cluster.policy.holdings import holdings
from kun_cluster.state.lost_allocations import LostAllocations
from tests.controller.objects import dedicated, gateway, gathered, policy, pool, with_allocations

COOL_DOWN_S = 600
NETWORKS = "192.0.2.0/30"


@dataclass
class Store:
    """What the API server promises: a name once, and no write over a version the writer has not seen."""

    objects: dict[str, EgressAllocation] = field(default_factory=dict)
    version: int = 0

    def create(self, one: EgressAllocation) -> bool:
        if one.meta.name in self.objects:
            return False
        return self._put(one)

    def update(self, one: EgressAllocation) -> bool:
        there = self.objects.get(one.meta.name)
        if there is None or there.meta.resource_version != one.meta.resource_version:
            return False
        return self._put(one)

    def delete(self, one: EgressAllocation) -> bool:
        there = self.objects.get(one.meta.name)
        if there is None or there.meta.resource_version != one.meta.resource_version:
            return False
        del self.objects[one.meta.name]
        return True

    def _put(self, one: EgressAllocation) -> bool:
        self.version += 1
        self.objects[one.meta.name] = replace(one, meta=replace(one.meta, resource_version=str(self.version)))
        return True

    def carry_out(self, plan: AllocationPlan, most: int = 1_000) -> None:
        """Write in the plan's order; `most`: the writer dies after so many."""
        steps: list[tuple[Any, EgressAllocation]] = [
            *((self.update, one) for one in (*plan.release, *plan.give_back)),
            *((self.create, one) for one in plan.create),
            *((self.delete, one) for one in plan.delete),
        ]
        for write, one in steps[:most]:
            write(one)


def settle(store: Store, now: float, *objects: Any) -> AllocationPlan:
    """Plan and write until nothing is left to do. Returns the last plan."""
    for _ in range(10):
        plan = plan_allocations(with_allocations(gathered(*objects), store.objects.values()), store.objects, now)
        if plan.is_empty():
            return plan
        store.carry_out(plan)
    raise AssertionError(f"does not settle: {plan}")


STANDARD = pool(networks=NETWORKS, is_default=True, cool_down_s=COOL_DOWN_S)


def test_a_gateway_gets_an_address_and_a_tenant_a_share_of_another_one() -> None:
    store = Store()
    settle(store, 0.0, STANDARD, gateway(), dedicated())
    assert sorted(store.objects) == ["192-0-2-0", "192-0-2-1", "192-0-2-1-1024"]
    assert store.objects["192-0-2-1-1024"].owner.name == "web"
    assert (store.objects["192-0-2-1-1024"].first_port, store.objects["192-0-2-1-1024"].last_port) == (1024, 2047)


def test_a_tenant_gets_a_share_on_every_gateway_of_a_spread_pool() -> None:
    store = Store()
    settle(store, 0.0, STANDARD, gateway("a"), gateway("b"), dedicated(shares=2))
    at = sorted(one.gateway for one in store.objects.values() if one.use is Use.SHARE)
    assert at == ["a", "a", "b", "b"]


def test_an_active_standby_pool_owns_its_addresses_itself() -> None:
    store = Store()
    settle(store, 0.0, replace(STANDARD, mode=Mode.ACTIVE_STANDBY), gateway("a"), gateway("b"), dedicated())
    assert {one.gateway for one in store.objects.values()} == {""}
    assert sorted(store.objects) == ["192-0-2-0", "192-0-2-1", "192-0-2-1-1024"]


def test_the_vip_is_nobodys_address() -> None:
    store = Store()
    settle(store, 0.0, replace(STANDARD, vip=IPv4Address("192.0.2.0")), gateway())
    assert sorted(store.objects) == ["192-0-2-1"]


def test_a_released_share_stays_until_its_cool_down_is_over() -> None:
    store = Store()
    settle(store, 0.0, STANDARD, gateway(), dedicated("a"), dedicated("b", created=2))
    assert store.objects["192-0-2-1-1024"].owner.name == "a"
    settle(store, 100.0, STANDARD, gateway(), dedicated("b", created=2), dedicated("c", created=3))
    assert store.objects["192-0-2-1-1024"].released_at == 100.0
    assert store.objects["192-0-2-1-3072"].owner.name == "c"
    settle(store, 100.0 + COOL_DOWN_S - 1, STANDARD, gateway(), dedicated("b", created=2), dedicated("d", created=4))
    assert store.objects["192-0-2-1-1024"].owner.name == "a"
    settle(store, 100.0 + COOL_DOWN_S, STANDARD, gateway(), dedicated("b", created=2))
    assert "192-0-2-1-1024" not in store.objects


def test_who_comes_back_gets_its_own_share_again() -> None:
    store = Store()
    settle(store, 0.0, STANDARD, gateway(), dedicated("a"))
    settle(store, 1.0, STANDARD, gateway(), policy("a"))
    assert store.objects["192-0-2-1-1024"].released_at == 1.0
    settle(store, 2.0, STANDARD, gateway(), dedicated("a"))
    assert store.objects["192-0-2-1-1024"].is_held
    settle(store, 3.0, STANDARD, gateway(), dedicated("a", uid="of another object of that name"))
    assert store.objects["192-0-2-1-1024"].released_at == 3.0


def test_a_clock_that_went_back_makes_the_cool_down_longer_never_shorter() -> None:
    store = Store()
    settle(store, 1000.0, STANDARD, gateway(), dedicated("a"))
    settle(store, 1000.0, STANDARD, gateway())
    settle(store, 10.0, STANDARD, gateway())
    assert "192-0-2-1-1024" in store.objects


def test_what_was_lost_comes_back_to_its_owner_and_to_nobody_else_before_it_has_cooled() -> None:
    """etcd restored from before: tenant a's share is not known any more, and b is quicker."""
    store, lost = Store(), LostAllocations()
    settle(store, 0.0, STANDARD, gateway(), dedicated("a"))
    share = store.objects.pop("192-0-2-1-1024")
    lost.went(share)

    def created(now: float, *policies: EgressPolicy) -> list[tuple[str, str, float | None]]:
        rules = with_allocations(gathered(STANDARD, gateway(), *policies), store.objects.values())
        cooling = lost.cooling(rules.pools.by_name, now)
        plan = plan_allocations(rules, store.objects, now, cooling)
        return [(one.meta.name, one.owner.name, one.released_at) for one in plan.create if one.use is Use.SHARE]

    a, b = dedicated("a"), dedicated("b", created=2)
    other = ("192-0-2-1-2048", "b", None)
    assert created(5.0, b) == [("192-0-2-1-1024", "a", 5.0), other]
    assert created(6.0, a, b) == [("192-0-2-1-1024", "a", None), other]
    assert created(4.0 + COOL_DOWN_S, b) == [("192-0-2-1-1024", "a", 5.0), other]
    assert created(5.0 + COOL_DOWN_S, b) == [("192-0-2-1-1024", "b", None)]


def test_a_full_pool_says_so_and_counts_what_cools() -> None:
    store, small = Store(), replace(STANDARD, ports_per_share=32768, shared_addresses=3)
    plan = settle(store, 0.0, small, gateway(), dedicated("a"), dedicated("b"), dedicated("c"))
    assert {problem.reason for problem in plan.unmet} == {Reason.EXHAUSTED}
    assert [problem.object for problem in plan.unmet] == ["EgressPolicy team-00/c", "EgressPool standard"]
    settle(store, 1.0, small, gateway(), dedicated("a"))
    plan = settle(store, 1.0, small, gateway(), dedicated("a"), dedicated("c"))
    assert plan.unmet
    found = capacity(small, store.objects.values())
    assert (found.free, found.taken, found.cooling) == (0, 1, 1)


def test_too_few_addresses_for_the_gateways_are_told_at_the_pool() -> None:
    plan = settle(Store(), 0.0, replace(STANDARD, shared_addresses=3), gateway("a"), gateway("b"))
    (problem,) = plan.unmet
    assert problem.object == "EgressPool standard"
    assert "1 of 3 shared addresses for EgressGateway b" in problem.message


def test_a_new_plan_is_empty_when_the_first_was_carried_out() -> None:
    objects = (STANDARD, gateway("a"), gateway("b"), dedicated("x"), dedicated("y", "team-01"))
    store = Store()
    assert settle(store, 0.0, *objects).is_empty()


@pytest.mark.parametrize("size", SIZES)
def test_shares_lie_on_a_grid_and_cover_every_usable_port_once(size: int) -> None:
    ports = [
        port for first in grid(size) for port in range(usable_ports(first, size)[0], usable_ports(first, size)[1] + 1)
    ]
    assert ports == list(range(1024, 65536))


def test_marks_are_unique_within_a_pool_and_fit_their_range() -> None:
    marks = {
        mark_of(IPv4Address(f"192.0.{high}.{low}"), first)
        for high in (0, 255)
        for low in (0, 255)
        for first in grid(1024)
    }
    assert len(marks) == 4 * 63
    assert min(marks) >= 1
    assert max(marks) <= 1 << 22


NAMES = st.sampled_from(("a", "b", "c"))


class Leader:
    """What one replica has seen, and what it saw go away."""

    def __init__(self) -> None:
        self.seen: Mapping[str, EgressAllocation] = {}
        self.lost = LostAllocations()

    def look(self, store: Store) -> None:
        before, self.seen = self.seen, dict(store.objects)
        for name in self.seen:
            self.lost.came(name)
        for name in before.keys() - self.seen.keys():
            self.lost.went(before[name])


class TwoLeaders(RuleBasedStateMachine):
    """Policies, gateways and pools come and go; two leaders look late, and die in the middle of what they write.

    They are started anew, and the store is restored from an older state.
    """

    @initialize()
    def begin(self) -> None:
        self.store, self.now = Store(), 0.0
        self.pools: dict[str, EgressPool] = {"standard": STANDARD}
        self.gateways: dict[str, EgressGateway] = {"a": gateway("a")}
        self.policies: dict[str, EgressPolicy] = {"a": dedicated("a")}
        self.leaders = [Leader(), Leader()]
        self.kept = copy.deepcopy(self.store)
        self.last_held: dict[str, tuple[Any, float]] = {}
        self.serial = 0
        self.work(0, 4)

    @rule(name=NAMES, shares=st.integers(1, 3), again=st.booleans(), to=st.sampled_from(("", "standby")))
    def put_policy(self, name: str, shares: int, again: bool, to: str) -> None:
        self.serial += not again
        uid = f"uid-{name}" if again else f"uid-{name}-{self.serial}"
        self.policies[name] = dedicated(name, uid=uid, shares=shares, pool=to)

    @rule(name=NAMES)
    def one_policy_follows_another(self, name: str) -> None:
        """All policies go, and a new one wants their share while that cools."""
        self.policies = {}
        self.work(0, 4)
        self.serial += 1
        self.policies = {name: dedicated(name, uid=f"uid-{name}-{self.serial}")}
        self.work(1, 4)

    @rule(name=NAMES)
    def drop_policy(self, name: str) -> None:
        self.policies.pop(name, None)

    @rule(name=NAMES, of=st.sampled_from(("standard", "standby")))
    def put_gateway(self, name: str, of: str) -> None:
        self.gateways[name] = gateway(name, of)

    @rule(name=NAMES)
    def drop_gateway(self, name: str) -> None:
        self.gateways.pop(name, None)

    @rule(is_there=st.booleans())
    def standby_pool(self, is_there: bool) -> None:
        self.pools.pop("standby", None)
        if is_there:
            self.pools["standby"] = pool(
                "standby", "203.0.113.2", 2, "192.0.2.4/31", mode=Mode.ACTIVE_STANDBY, ports_per_share=32768,
                cool_down_s=COOL_DOWN_S,
            )  # fmt: skip

    @rule(seconds=st.sampled_from((1, 300, 601)))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @rule(who=st.integers(0, 1))
    def look(self, who: int) -> None:
        self.leaders[who].look(self.store)

    @rule(who=st.integers(0, 1))
    def kill(self, who: int) -> None:
        """A replica is started anew. What was there before it, it knows when it begins."""
        self.leaders[who] = Leader()
        self.look(who)

    @rule()
    def keep(self) -> None:
        """Somebody makes a snapshot of etcd."""
        self.kept = copy.deepcopy(self.store)

    @rule(who=st.integers(0, 1))
    def restore(self, who: int) -> None:
        """The store goes back, its versions with it. Both replicas follow it before and afterwards, and one leads.

        Not to a state in which somebody holds what has had another owner since: that no controller can undo.
        """
        held = [one for one in self.kept.objects.values() if one.is_held]
        if any(not one.owner.is_same(self.last_held.get(one.meta.name, (one.owner, 0.0))[0]) for one in held):
            return
        for turn in range(2):
            for leader in self.leaders:
                leader.look(self.store)
                leader.lost.cooling(self.pools, self.now)
            if not turn:
                self.store = copy.deepcopy(self.kept)
        self.lead(who, 1000)

    @rule(who=st.integers(0, 1), rounds=st.sampled_from((4, 2)))
    def work(self, who: int, rounds: int) -> None:
        """Look and write, as a leader does that nothing disturbs."""
        for _ in range(rounds):
            self.look(who)
            self.lead(who, 1000)
            self.no_share_comes_to_another_before_it_has_cooled()

    @rule(who=st.integers(0, 1), most=st.sampled_from((1, 2, 1000)))
    def lead(self, who: int, most: int) -> None:
        """Plan on what was seen last, however old that is."""
        objects = gathered(*self.pools.values(), *self.gateways.values(), *self.policies.values())
        seen, lost = self.leaders[who].seen, self.leaders[who].lost.cooling(self.pools, self.now)
        plan = plan_allocations(with_allocations(objects, seen.values()), seen, self.now, lost)
        self.store.carry_out(plan, most)

    @invariant()
    def no_port_of_an_address_has_two_owners(self) -> None:
        ports: set[tuple[IPv4Address, int]] = set()
        for one in self.in_force():
            if one.use is Use.DEDICATED_ADDRESS:
                continue
            for block in range(one.first_port >> 10, (one.last_port + 1) >> 10):
                assert (one.address, block) not in ports
                ports.add((one.address, block))

    @invariant()
    def no_share_comes_to_another_before_it_has_cooled(self) -> None:
        for one in self.in_force():
            if one.use is not Use.SHARE:
                continue
            owner, since = self.last_held.get(one.meta.name, (one.owner, 0.0))
            assert one.owner.is_same(owner) or self.now >= since + COOL_DOWN_S, (one, owner, since)
            self.last_held[one.meta.name] = (one.owner, self.now)

    def in_force(self) -> list[EgressAllocation]:
        objects = gathered(*self.pools.values(), *self.gateways.values(), *self.policies.values())
        rules = with_allocations(objects, self.store.objects.values())
        held = holdings(self.store.objects.values(), rules.pools.by_name, rules.gateways, rules.policy_by_key)
        own = [one for found in held.of_policy.values() for one in found]
        return [*own, *held.seats.values()]


TwoLeaders.TestCase.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
TestTwoLeaders = TwoLeaders.TestCase


def test_a_share_is_named_by_address_and_first_port() -> None:
    assert share_name(IPv4Address("192.0.2.11"), 20480) == "192-0-2-11-20480"
