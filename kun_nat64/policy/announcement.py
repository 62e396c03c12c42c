"""The announce decision. Worse is acted on at once; better waits, because coming back moves other people's flows.

    what is known                                       | standing        | reason
    drained                                             | out             | drained
    a hard failure (hard_failure.py), even if alone     | out             | that failure
    draining                                            | MED, 65535:0    | draining
    quorum lost, no one else healthy or no one known    | MED raised      | targets-suspect, targets-unreachable
    quorum lost, another still carries after `confirm_s`| out             | canary-dead
    quorum lost, no route back to the nodes, even alone | out             | nodes-cut-off
    health unproven, another carries, or no fleet named | out             | unproven
    health unproven, no other member known to carry     | MED raised      | last-exit
    one protocol dead here and alive elsewhere          | MED raised      | kind-unreachable
    public ports nearly used up                         | MED raised      | pool-nearly-exhausted
    full TCP segments are lost outside                  | MED raised      | path-too-narrow
    nodes with sessions here have no way back           | MED raised      | nodes-cut-off
    quorum reached                                      | in the ECMP set | healthy

Why `confirm_s`: when all gateways lose the same targets, each still sees the others as healthy for a moment. All raise
their MED at once, which keeps all of them in use; only another gateway that is still healthy after everybody's
detection time allows a withdrawal. So two gateways never withdraw because of each other.
"""

from dataclasses import dataclass, replace
from typing import Any

from kun_nat64.model.announcement import GRACEFUL_SHUTDOWN, WITHDRAWN, Announcement
from kun_nat64.model.drain import Phase
from kun_nat64.model.fleet import ALONE, Fleet
from kun_nat64.model.health import Verdict
from kun_nat64.model.spec import Target
from kun_nat64.model.standing import RANK, Reason, Standing
from kun_nat64.policy import fleet_view
from kun_nat64.policy.holddown import NO_FALLS, Falls, HoldDownRules, fell, forgiven, hold_s

Judgement = tuple[Standing, Reason]


@dataclass(frozen=True, slots=True)
class AnnounceRules:
    """`adopt_s`: how long a path found at start stays without proof. `pool_limit`: share of used ports that is soft.
    `pool_forecast_s`: that the ports will be used up within this time is soft, too; 0: it is not.

    `turn_max_s`: the longest wait for another gateway's return.
    """

    name: str
    med: int
    soft_fail_med: int
    drain_med: int
    hold_down: HoldDownRules
    never_withdraw_last: bool = True
    confirm_s: float = 3.0
    adopt_s: float = 12.0
    spacing_s: float = 5.0
    turn_max_s: float = 60.0
    pool_limit: float = 0.95
    pool_forecast_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the decision rests on. `dead_targets`: all targets of the protocols that fail altogether. `cut_off`: nodes
    with sessions here have no way back; `no_way_back`: the VIP has no route to the nodes.
    """

    verdict: Verdict
    hard: tuple[Reason, ...] = ()
    fleet: Fleet = ALONE
    phase: Phase = Phase.SERVING
    dead_targets: tuple[Target, ...] = ()
    pool_use: float | None = None
    pool_exhausted_in_s: float | None = None
    too_narrow: bool = False
    cut_off: bool = False
    no_way_back: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """`since`: of this standing. `better_since`: since when it could be better; `failing_since`: since when the verdict
    is not healthy; `partly_since`: since when a protocol is dead. `back_at`: earliest return, where that is known.
    `proven`: by these targets, since the start. `fallen`: counted among the falls, and not risen since. `at_once`: the
    operator took it out, and lets it back.
    """

    standing: Standing
    reason: Reason
    since: float
    falls: Falls = NO_FALLS
    better_since: float | None = None
    failing_since: float | None = None
    partly_since: float | None = None
    back_at: float | None = None
    proven: bool = False
    fallen: bool = False
    at_once: bool = False

    @property
    def waits_for_nothing(self) -> bool:
        """Equal evidence leads to the same decision at any later time."""
        return self.reason is Reason.HEALTHY and self.partly_since is None and not self.falls.count


def adopted(found: Announcement | None, rules: AnnounceRules, *, now: float) -> Decision:
    """Return the decision to start from: what an earlier agent announced stays until health is proven or disproved."""
    if found is None or not found.wanted:
        return Decision(Standing.OUT, Reason.STARTING, now)
    if GRACEFUL_SHUTDOWN in found.communities:
        return Decision(Standing.DRAINING, Reason.ADOPTED, now)
    return Decision(Standing.FULL if found.med <= rules.med else Standing.SOFT, Reason.ADOPTED, now)


def announcement_of(standing: Standing, rules: AnnounceRules) -> Announcement:
    """Return what BGP is to announce for a standing: MED and communities, or nothing."""
    match standing:
        case Standing.FULL:
            return Announcement(True, rules.med)
        case Standing.SOFT:
            return Announcement(True, rules.soft_fail_med)
        case Standing.DRAINING:
            return Announcement(True, rules.drain_med, (GRACEFUL_SHUTDOWN,))
        case Standing.OUT:
            return WITHDRAWN


def decide(before: Decision, seen: Evidence, rules: AnnounceRules, *, now: float) -> Decision:
    """Decide after `seen`. With equal evidence a later decision differs only where a wait has ended."""
    healthy = seen.verdict is Verdict.HEALTHY
    known = _changed(
        before,
        proven=before.proven or healthy,
        falls=forgiven(before.falls, rules.hold_down, now=now),
        failing_since=None if healthy else _since(before.failing_since, now),
        partly_since=_since(before.partly_since, now) if seen.dead_targets else None,
    )
    standing, reason = _judge(known, seen, rules, now)
    if RANK[standing] > RANK[known.standing]:
        return _rise(known, (standing, reason), seen, rules, now)
    return _settle(known, standing, reason, rules, now)


def _changed(before: Decision, **values: Any) -> Decision:
    """Equal values leave the decision the same object."""
    if all(getattr(before, name) == value for name, value in values.items()):
        return before
    return replace(before, **values)


def _since(earlier: float | None, now: float) -> float:
    return now if earlier is None else earlier


def _judge(known: Decision, seen: Evidence, rules: AnnounceRules, now: float) -> Judgement:
    out = known.standing is Standing.OUT
    if seen.phase is Phase.DRAINED:
        return Standing.OUT, Reason.DRAINED
    if seen.hard:
        return Standing.OUT, seen.hard[0]
    if seen.phase is Phase.DRAINING:
        return (Standing.OUT if out else Standing.DRAINING), Reason.DRAINING
    match seen.verdict:
        case Verdict.FAILED:
            return _failed(known, seen, rules)
        case Verdict.UNPROVEN:
            return _unproven(known, seen, rules, now)
        case Verdict.HEALTHY:
            return _healthy(known, seen, rules)


def _failed(known: Decision, seen: Evidence, rules: AnnounceRules) -> Judgement:
    # The fleet may be behind the same lost route: then nobody here could confirm it.
    if seen.no_way_back:
        return Standing.OUT, Reason.NODES_CUT_OFF
    confirmed_after = (known.failing_since or 0.0) + rules.confirm_s
    if fleet_view.others_carry(seen.fleet, after=confirmed_after):
        return Standing.OUT, Reason.CANARY_DEAD
    reason = Reason.TARGETS_SUSPECT if fleet_view.all_fail(seen.fleet) else Reason.TARGETS_UNREACHABLE
    stays_out = known.standing is Standing.OUT or not rules.never_withdraw_last
    return (Standing.OUT if stays_out else Standing.SOFT), reason


def _unproven(known: Decision, seen: Evidence, rules: AnnounceRules, now: float) -> Judgement:
    if known.standing is Standing.OUT:
        lost = known.proven or known.reason is Reason.UNPROVEN
        return Standing.OUT, Reason.UNPROVEN if lost else Reason.STARTING
    if not known.proven and now - _since(known.failing_since, now) < rules.adopt_s:
        return known.standing, known.reason
    if not seen.fleet.configured or not rules.never_withdraw_last:
        return Standing.OUT, Reason.UNPROVEN
    if fleet_view.others_carry(seen.fleet, after=(known.failing_since or 0.0) + rules.confirm_s):
        return Standing.OUT, Reason.UNPROVEN
    return Standing.SOFT, Reason.LAST_EXIT


def _healthy(known: Decision, seen: Evidence, rules: AnnounceRules) -> Judgement:
    confirmed_after = (known.partly_since or 0.0) + rules.confirm_s
    if any(fleet_view.reached_elsewhere(target, seen.fleet, after=confirmed_after) for target in seen.dead_targets):
        return Standing.SOFT, Reason.KIND_UNREACHABLE
    if _nearly_exhausted(seen, rules):
        return Standing.SOFT, Reason.POOL_NEARLY_EXHAUSTED
    if seen.too_narrow:
        return Standing.SOFT, Reason.PATH_TOO_NARROW
    if seen.cut_off:
        return Standing.SOFT, Reason.NODES_CUT_OFF
    return Standing.FULL, Reason.HEALTHY


def _nearly_exhausted(seen: Evidence, rules: AnnounceRules) -> bool:
    full = seen.pool_use is not None and seen.pool_use >= rules.pool_limit
    return full or (seen.pool_exhausted_in_s is not None and seen.pool_exhausted_in_s < rules.pool_forecast_s)


def _settle(known: Decision, standing: Standing, reason: Reason, rules: AnnounceRules, now: float) -> Decision:
    """Equal or worse: at once. Leaving the ECMP set, or the table, other than by the operator's wish is a fall: one,
    however many steps down it takes.
    """
    moved = standing is not known.standing
    by_operator = reason in (Reason.DRAINING, Reason.DRAINED)
    fall = moved and not by_operator and not known.fallen and known.standing in (Standing.FULL, Standing.SOFT)
    return _changed(
        known,
        standing=standing,
        reason=reason,
        since=now if moved else known.since,
        falls=fell(known.falls, rules.hold_down, now=now) if fall else known.falls,
        better_since=None,
        back_at=None,
        fallen=known.fallen or fall,
        at_once=by_operator,
    )


def _rise(known: Decision, to: Judgement, seen: Evidence, rules: AnnounceRules, now: float) -> Decision:
    """Better: after the hold-down, and one gateway at a time. What the operator drained comes back when he says so.

    Nor is there a hold-down where nobody carries: it spares the others' flows a move, and there are none.
    """
    since = _since(known.better_since, now)
    waiting = replace(known, better_since=since)
    at_once = known.at_once or fleet_view.nobody_carries(seen.fleet)
    back_at = since if at_once else since + hold_s(known.falls, rules.hold_down)
    if now < back_at:
        return replace(waiting, reason=Reason.HOLD_DOWN, back_at=back_at)
    if (
        not fleet_view.may_return(rules.name, seen.fleet, spacing_s=rules.spacing_s)
        and now < back_at + rules.turn_max_s
    ):
        return replace(waiting, reason=Reason.WAITING_TURN, back_at=None)
    return replace(
        waiting, standing=to[0], reason=to[1], since=now, better_since=None, back_at=None, fallen=False, at_once=False
    )
