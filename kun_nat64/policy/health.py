"""Health as a pure table: what a row of probe results says about each target, and about the gateway.

    state     | ok                    | failed                | unknown
    unproven  | `rise` in a row: up   | `fall` in a row: down | nothing
    up        | nothing               | `fall` in a row: down | nothing
    down      | `rise` in a row: up   | nothing               | nothing

An ok ends a row of failures and the other way round. An unknown result (the probe could not be made, or the agent
itself was stalled) counts for neither and breaks no row: but it proves nothing either, so a target without a result
of either sort for `proof_s` is unproven again. Time in which the agent itself stood still is not counted in that, once
after each proof.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from kun_nat64.model.health import ProbeOutcome, ProbeResult, Verdict
from kun_nat64.model.spec import Target, TargetKind


class TargetState(StrEnum):
    UNPROVEN = "unproven"
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class HealthRules:
    """`fall`, `rise`: results in a row; `quorum`: targets that must be up; `proof_s`: how long a result proves."""

    fall: int
    rise: int
    quorum: int
    proof_s: float = 5.0


@dataclass(frozen=True, slots=True)
class TargetHealth:
    """`row`: results in a row that speak against `state`; in `UNPROVEN` positive for oks, negative for failures.

    `forgiven`: a stall since the last proof was not counted; the next one is.
    """

    target: Target
    state: TargetState = TargetState.UNPROVEN
    row: int = 0
    proven_at: float | None = None
    last: ProbeResult | None = None
    sent: int = 0
    lost: int = 0
    forgiven: bool = False


@dataclass(frozen=True, slots=True)
class Health:
    targets: tuple[TargetHealth, ...]

    def of(self, target: Target) -> TargetHealth:
        return next(one for one in self.targets if one.target == target)


def start(targets: tuple[Target, ...]) -> Health:
    """Return the health before the first probe: no target is proven."""
    return Health(tuple(TargetHealth(target) for target in targets))


def after_result(health: Health, result: ProbeResult, rules: HealthRules, *, now: float) -> Health:
    """Health after one more result. A result for a target that is not watched any more changes nothing."""
    return Health(
        tuple([_one(each, result, rules, now) if each.target == result.target else each for each in health.targets])
    )


def _one(before: TargetHealth, result: ProbeResult, rules: HealthRules, now: float) -> TargetHealth:
    fresh = _forget_old_proof(before, rules, now)
    state, row, proven_at, forgiven = fresh.state, fresh.row, fresh.proven_at, fresh.forgiven
    if result.outcome is not ProbeOutcome.UNKNOWN:
        state, row = _step(state, row, +1 if result.outcome is ProbeOutcome.OK else -1, rules)
        proven_at, forgiven = now, False
    lost = before.lost + (result.outcome is ProbeOutcome.FAILED)
    return TargetHealth(before.target, state, row, proven_at, result, before.sent + 1, lost, forgiven)


def _step(state: TargetState, row: int, sign: int, rules: HealthRules) -> tuple[TargetState, int]:
    if (state, sign) in ((TargetState.UP, +1), (TargetState.DOWN, -1)):
        return state, 0
    row = row + sign if row * sign >= 0 else sign
    if row >= rules.rise:
        return TargetState.UP, 0
    if row <= -rules.fall:
        return TargetState.DOWN, 0
    return state, row


def after_a_stall(health: Health, seconds: float) -> Health:
    """The agent stood still for so long, and could prove nothing: what it knew is as good as it was before."""
    return Health(tuple(_as_it_was(one, seconds) for one in health.targets))


def _as_it_was(one: TargetHealth, seconds: float) -> TargetHealth:
    if one.proven_at is None or one.forgiven:
        return one
    return replace(one, proven_at=one.proven_at + seconds, forgiven=True)


def _forget_old_proof(one: TargetHealth, rules: HealthRules, now: float) -> TargetHealth:
    return replace(one, state=TargetState.UNPROVEN, row=0) if _is_stale(one, rules, now) else one


def _is_stale(one: TargetHealth, rules: HealthRules, now: float) -> bool:
    return one.proven_at is not None and now - one.proven_at > rules.proof_s


def verdict(health: Health, rules: HealthRules, *, now: float) -> Verdict:
    """HEALTHY: the quorum is up. FAILED: it cannot be reached even if every unproven target were up."""
    states = [TargetState.UNPROVEN if _is_stale(one, rules, now) else one.state for one in health.targets]
    up, unproven = states.count(TargetState.UP), states.count(TargetState.UNPROVEN)
    if states and up >= rules.quorum:
        return Verdict.HEALTHY
    return Verdict.UNPROVEN if not states or up + unproven >= rules.quorum else Verdict.FAILED


def proof_ends(health: Health, rules: HealthRules) -> float:
    """When the first target is unproven again unless it answers before; infinite where none has ever answered."""
    return min(
        (one.proven_at + rules.proof_s for one in health.targets if one.proven_at is not None), default=float("inf")
    )


def outcomes(health: Health) -> dict[str, ProbeOutcome]:
    """By target, what the other gateways may know about it."""
    outcome_of = {
        TargetState.UP: ProbeOutcome.OK,
        TargetState.DOWN: ProbeOutcome.FAILED,
        TargetState.UNPROVEN: ProbeOutcome.UNKNOWN,
    }
    return {str(one.target): outcome_of[one.state] for one in health.targets}


def dead_kinds(health: Health) -> tuple[TargetKind, ...]:
    """Protocols of which every target is down: pool4 may lack them, or a rule drops them."""
    kinds = dict.fromkeys(one.target.kind for one in health.targets)
    return tuple(
        kind
        for kind in kinds
        if all(one.state is TargetState.DOWN for one in health.targets if one.target.kind is kind)
    )
