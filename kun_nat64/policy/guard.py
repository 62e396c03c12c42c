"""The guard refuses plans that do more harm than the operator may have meant.

Each refusal names the changes that it blocks. The agent makes the others: additions and repairs never wait for a
refused removal (`passed`). A command makes all changes of a plan or none.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from kun_nat64.model.facts import BgpPath, Fact, JoolInstance, Pool4, TenantTable, Tunnel
from kun_nat64.model.joolfacts import LIMIT_MARK
from kun_nat64.model.observation import Foreign
from kun_nat64.model.plan import Action, Change, Plan, Refusal, RefusalKind
from kun_nat64.model.spec import GuardSpec
from kun_nat64.model.tenantfacts import is_tenant_mark
from kun_nat64.policy.flow_loss import stops_everything


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the guard has to know beside the plan.

    `other_exit`: another gateway is known to be announced and healthy. `foreign`: foreign objects in the way. `repair`:
    the plan restores a state that was in force. `approved`: changes that have passed the guard already; `all_approved`:
    all changes, by force.
    """

    other_exit: bool = False
    foreign: tuple[Foreign, ...] = ()
    repair: bool = False
    approved: frozenset[tuple[Action, Fact]] = frozenset()
    all_approved: bool = False


def guard(plan: Plan, spec: GuardSpec, circumstances: Circumstances = Circumstances()) -> tuple[Refusal, ...]:
    """Return all reasons against the plan. An empty plan has none."""
    if not plan:
        return ()
    foreign = tuple(_foreign_objects(plan, circumstances))
    if circumstances.all_approved:
        return foreign
    approved = circumstances.approved
    fresh = tuple(one for one in plan.changes if (one.action, one.fact) not in approved) if approved else plan.changes
    return (
        *_too_many_removals(fresh, spec),
        *(() if circumstances.repair else _live_sessions(plan, fresh)),
        *_last_exit(fresh, spec, circumstances),
        *foreign,
    )


def passed(plan: Plan, refusals: Iterable[Refusal]) -> Plan:
    """Return the plan without the blocked changes and those that depend on them."""
    held = frozenset[Change]().union(*(refusal.held for refusal in refusals))
    if not held:
        return plan
    held |= {change for change in plan.changes if _takes_a_place(change, held)}
    unmade = {change.fact.key for change in held if change.action is not Action.REMOVE}
    return replace(
        plan, changes=tuple(one for one in plan.changes if one not in held and one.fact.inside not in unmade)
    )


def _takes_a_place(change: Change, held: frozenset[Change]) -> bool:
    """A network namespace has one Jool instance, and one tunnel with a pair of ends."""
    place = _place(change.fact)
    return (
        place is not None
        and change.action is Action.ADD
        and any(one.action is Action.REMOVE and _place(one.fact) == place for one in held)
    )


def _place(fact: Fact) -> object:
    match fact:
        case JoolInstance():
            return "instance"
        case Tunnel(netns=netns, local=local, remote=remote):
            return netns, local, remote
    return None


def _too_many_removals(changes: Iterable[Change], spec: GuardSpec) -> Iterator[Refusal]:
    """A tenant counts once, whether it loses its networks, its addresses or both."""
    removals = [one for one in changes if one.action is Action.REMOVE and not _lifts_a_limit(one.fact)]
    objects = [one for one in removals if not _is_of_a_tenant(one.fact)]
    emptied = [one for one in changes if _tenants_without_networks(one)]
    tenants = {one.fact.mark for one in removals if isinstance(one.fact, Pool4) and is_tenant_mark(one.fact.mark)}
    count = len(objects) + len(tenants.union(*map(_tenants_without_networks, emptied)))
    if count > spec.max_removals:
        reason = f"the plan removes {count} objects, guard.max_removals = {spec.max_removals}"
        yield Refusal(RefusalKind.TOO_MANY_REMOVALS, reason, held=frozenset((*removals, *emptied)))


def _is_of_a_tenant(fact: Fact) -> bool:
    return isinstance(fact, TenantTable) or (isinstance(fact, Pool4) and is_tenant_mark(fact.mark))


def _tenants_without_networks(change: Change) -> frozenset[int]:
    """Return the marks that would lose all networks: their packets would use the shared ports, even if denied now."""
    if not isinstance(change.fact, TenantTable):
        return frozenset()
    if change.action is Action.REMOVE:
        return change.fact.marks
    before = change.before.marks if isinstance(change.before, TenantTable) else frozenset()
    return before - change.fact.marks


def _lifts_a_limit(fact: Fact) -> bool:
    """Whether a removal only ends the limit of a client (limits.py)."""
    return isinstance(fact, Pool4) and fact.mark == LIMIT_MARK


def _live_sessions(plan: Plan, changes: tuple[Change, ...]) -> Iterator[Refusal]:
    """Refuse changes that cut flows. A change of pool4 cuts some; a change of the VIP or pool6 cuts all flows.

    Such a change is made as a whole or not at all, because the rules depend on the address.
    """
    if plan.cuts and any(map(stops_everything, changes)):
        for cut in plan.cuts:
            yield Refusal(RefusalKind.LIVE_SESSIONS, cut.reason, held=frozenset(plan.changes))


def _last_exit(changes: Iterable[Change], spec: GuardSpec, circumstances: Circumstances) -> Iterator[Refusal]:
    withdrawn = [one for one in changes if one.action is Action.REMOVE and isinstance(one.fact, BgpPath)]
    if withdrawn and spec.never_withdraw_last and not circumstances.other_exit:
        prefixes = ", ".join(str(one.fact.prefix) for one in withdrawn if isinstance(one.fact, BgpPath))
        reason = f"no other gateway is known to announce {prefixes}: the pods would have no way out"
        yield Refusal(RefusalKind.LAST_EXIT, reason, held=frozenset(withdrawn))


def _foreign_objects(plan: Plan, circumstances: Circumstances) -> Iterator[Refusal]:
    """Block only the changes that the foreign object prevents."""
    for foreign in circumstances.foreign:
        reason = f"{foreign.what}; it is not ours to change. {foreign.remedy}"
        held = frozenset(one for one in plan.changes if foreign.key in (None, one.fact.key))
        yield Refusal(RefusalKind.FOREIGN_OBJECT, reason, forcible=False, held=held)
