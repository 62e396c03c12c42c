"""The pure part: what is desired, and the plan from what is observed."""

from dataclasses import replace

from bench.nat64.spec import spec_with
from bench.nat64.timing import Timing, timed
from kun_nat64.model.announcement import Announcement
from kun_nat64.model.facts import Facts, Pool4
from kun_nat64.model.observation import Observation
from kun_nat64.policy.desired import desired
from kun_nat64.policy.diff import plan
from kun_nat64.policy.guard import guard

ANNOUNCED = Announcement(wanted=True, med=10)


def addresses_for(facts: int) -> int:
    """How many public addresses make about so many facts: three entries of pool4 each."""
    return facts // 3


def drifted(facts: Facts) -> Facts:
    """The same without every tenth entry of pool4: somebody's hand."""
    ports = sorted((fact for fact in facts if isinstance(fact, Pool4)), key=str)
    return facts - frozenset(ports[::10])


def elsewhere(facts: Facts) -> Facts:
    """The same with every entry of pool4 on another address."""
    return frozenset(replace(one, address=one.address + 2**20) if isinstance(one, Pool4) else one for one in facts)


def measure(facts: int, times: int) -> dict[str, Timing]:
    """Milliseconds for desired, and for plan with guard where nothing, a tenth, or everything differs.

    Where pool4 moves, half of the facts are desired and half are found.
    """
    spec = spec_with(addresses_for(facts))
    wanted = desired(spec, ANNOUNCED)

    half = desired(spec_with(addresses_for(facts) // 2), ANNOUNCED)

    def planned(observed: Facts, wanted: Facts = wanted) -> None:
        guard(plan(wanted, Observation(facts=observed)), spec.guard)

    touched, moved = drifted(wanted), elsewhere(half)
    return {
        f"desired state of {len(wanted):,} facts from the configuration": timed(
            lambda: desired(spec, ANNOUNCED), times
        ),
        f"plan, {len(wanted):,} facts, nothing differs": timed(lambda: planned(wanted), times),
        f"plan, {len(wanted):,} facts, 3 % differ": timed(lambda: planned(touched), times),
        f"plan, {len(wanted):,} facts, everything is new": timed(lambda: planned(frozenset()), times),
        f"plan, {len(wanted):,} facts, everything goes": timed(lambda: planned(wanted, frozenset()), times),
        f"plan, {2 * len(half):,} facts, another pool4 in place of each": timed(lambda: planned(moved, half), times),
    }
