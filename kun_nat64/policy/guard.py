"""The guard: refuses a plan that does more harm than the operator may have meant."""

from collections.abc import Iterator
from dataclasses import dataclass

from kun_nat64.model.facts import BgpPath, Fact, Pool4
from kun_nat64.model.joolfacts import LIMIT_MARK
from kun_nat64.model.observation import Foreign
from kun_nat64.model.plan import Plan, Refusal, RefusalKind
from kun_nat64.model.spec import GuardSpec
from kun_nat64.policy.flow_loss import stops_everything


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the guard has to know beside the plan.

    `other_exit`: another gateway is known to be announced and well. `foreign`: what stands in our way.
    """

    other_exit: bool = False
    foreign: tuple[Foreign, ...] = ()


def guard(plan: Plan, spec: GuardSpec, circumstances: Circumstances = Circumstances()) -> tuple[Refusal, ...]:
    """Every reason against the plan; none lets it pass. An empty plan always passes."""
    if not plan:
        return ()
    return tuple(
        (
            *_too_many_removals(plan, spec),
            *_live_sessions(plan),
            *_last_exit(plan, spec, circumstances),
            *_foreign_objects(circumstances),
        )
    )


def _too_many_removals(plan: Plan, spec: GuardSpec) -> Iterator[Refusal]:
    count = sum(not _lifts_a_limit(change.fact) for change in plan.removals)
    if count > spec.max_removals:
        reason = f"the plan removes {count} objects, guard.max_removals = {spec.max_removals}"
        yield Refusal(RefusalKind.TOO_MANY_REMOVALS, reason)


def _lifts_a_limit(fact: Fact) -> bool:
    """What stops a client who holds too many sessions comes and goes with him (limits.py)."""
    return isinstance(fact, Pool4) and fact.mark == LIMIT_MARK


def _live_sessions(plan: Plan) -> Iterator[Refusal]:
    """A change of pool4 cuts few and says which; a change of the VIP or of pool6 cuts all, of every pod."""
    if plan.cuts and any(map(stops_everything, plan.changes)):
        for cut in plan.cuts:
            yield Refusal(RefusalKind.LIVE_SESSIONS, cut.reason)


def _last_exit(plan: Plan, spec: GuardSpec, circumstances: Circumstances) -> Iterator[Refusal]:
    withdrawn = [str(change.fact.prefix) for change in plan.removals if isinstance(change.fact, BgpPath)]
    if withdrawn and spec.never_withdraw_last and not circumstances.other_exit:
        reason = f"no other gateway is known to announce {', '.join(withdrawn)}: the pods would have no way out"
        yield Refusal(RefusalKind.LAST_EXIT, reason)


def _foreign_objects(circumstances: Circumstances) -> Iterator[Refusal]:
    for foreign in circumstances.foreign:
        reason = f"{foreign.what}; it is not ours to change. {foreign.remedy}"
        yield Refusal(RefusalKind.FOREIGN_OBJECT, reason, forcible=False)
