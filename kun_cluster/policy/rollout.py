"""Upgrade the gateways of a pool one at a time, and drain those of cordoned nodes. Pure: the clock is an argument.

    phase     | goes on when                                         | to
    (none)    | a gateway runs another version than it shall, and    | Draining
              | every other one of its pool has served for holdDown  |
    Draining  | its agent says drained, or drainTimeout is over and  | Upgrading
              | it is withdrawn                                      |
              | another gateway fell                                 | Returning
              | drainTimeout is over and it still announces          | Stopped
    Upgrading | its agent reports the version (the operator installs)| Returning
              | no other gateway carries                             | Returning
              | upgradeTimeout is over                               | Stopped
    Returning | it has served for holdDown                           | (none): the next one
              | returnTimeout is over                                | Stopped
    Stopped   | it has served for holdDown with the version, or      | (none)
              | another version is wanted                            |

A gateway that was stopped is told to serve: its agent announces only what carries packets. What an agent does not say
is unknown, and nothing is drained on what is unknown. The whole decision is one object, the pool's status: two leaders
cannot both change it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kun_cluster.formats.gateway_report import GatewayReport
from kun_cluster.model.rollout import Orders, Rollout, RolloutPhase, RolloutRules

IN_SERVICE = ("full", "soft")
FULL, DRAINED = "full", "drained"


@dataclass(frozen=True, slots=True)
class Member:
    """A gateway of the pool. `wanted`: the version it shall run, "" for any. `serves`: its object says Serve.

    `cordoned`: its node is cordoned or out of service. `report`: what its agent says; None: it does not answer.
    """

    name: str
    wanted: str = ""
    serves: bool = True
    cordoned: bool = False
    report: GatewayReport | None = None

    @property
    def carries(self) -> bool:
        """Whether it is known to carry traffic, and stays."""
        return self.report is not None and self.report.announced and self.report.standing in IN_SERVICE

    @property
    def is_known_out(self) -> bool:
        return self.report is not None and not self.carries

    @property
    def is_current(self) -> bool:
        return not self.wanted or (self.report is not None and self.report.version == self.wanted)

    def has_served(self, seconds: float) -> bool:
        """Tell whether it has been in the ECMP set for so long."""
        told = self.report
        return told is not None and told.announced and told.standing == FULL and told.since_s >= seconds

    @property
    def words(self) -> str:
        """What its agent says is wrong."""
        if self.report is None:
            return "its agent does not answer"
        return self.report.diagnosis or self.report.words or "its agent does not answer"


@dataclass(frozen=True, slots=True)
class Outlook:
    """The orders from now on, and a condition's reason and message about them."""

    orders: Orders
    reason: str
    message: str


def next_orders(before: Orders, members: Sequence[Member], rules: RolloutRules, now: float) -> Outlook:
    """Decide what is ordered out of service from now on. `now` in Unix seconds."""
    members = sorted(members, key=lambda one: one.name)
    by_name = {one.name: one for one in members}
    cordoned = _cordoned(before, members)
    rollout = before.rollout
    if rollout is not None:
        own = by_name.get(rollout.gateway)
        gone = own is None or not own.serves or own.name in cordoned
        rollout = None if own is None or gone else _progressed(rollout, own, _others(own, members), rules, now)
    if rollout is not None:
        orders = Orders(rollout, cordoned)
        reason = "Stopped" if rollout.phase is RolloutPhase.STOPPED else "Progressing"
        return Outlook(orders, reason, rollout.message or _step_words(rollout))
    return _started(cordoned, members, rules, now)


def _others(own: Member, members: Sequence[Member]) -> list[Member]:
    return [one for one in members if one.name != own.name]


def _cordoned(before: Orders, members: Sequence[Member]) -> tuple[str, ...]:
    """Gateways drained for their nodes. The last one that carries stays, whatever becomes of its node."""
    kept = {one.name for one in members if one.cordoned and one.serves and one.name in before.cordoned}
    leaving = before.rollout.gateway if before.rollout is not None and before.drains(before.rollout.gateway) else ""
    for one in members:
        if not one.cordoned or not one.serves or one.name in kept:
            continue
        out = {*kept, one.name, leaving}
        if any(other.carries and other.serves and other.name not in out for other in members):
            kept.add(one.name)
    return tuple(sorted(kept))


def _progressed(
    rollout: Rollout, own: Member, others: Sequence[Member], rules: RolloutRules, now: float
) -> Rollout | None:
    """The turn of one gateway at `now`; None: it is over."""
    if rollout.version != own.wanted:
        if rollout.phase is RolloutPhase.STOPPED or not own.wanted:
            return None
        rollout = replace(rollout, version=own.wanted)
    waited_s = now - rollout.since
    match rollout.phase:
        case RolloutPhase.DRAINING:
            return _drained(rollout, own, others, rules, waited_s, now)
        case RolloutPhase.UPGRADING:
            return _upgraded(rollout, own, others, rules, waited_s, now)
        case RolloutPhase.RETURNING:
            if own.has_served(rules.hold_down_s):
                return None
            text = f"did not come back within {rules.return_s:.0f} s"
            return rollout if waited_s < rules.return_s else _stopped(rollout, own, text, now)
        case RolloutPhase.STOPPED:
            return None if own.is_current and own.has_served(rules.hold_down_s) else rollout


def _drained(
    rollout: Rollout, own: Member, others: Sequence[Member], rules: RolloutRules, waited_s: float, now: float
) -> Rollout:
    if own.is_current or any(one.is_known_out for one in others):
        return _in_phase(rollout, RolloutPhase.RETURNING, now)
    told = own.report
    if told is not None and told.withdrawn and told.drain == DRAINED:
        return _in_phase(rollout, RolloutPhase.UPGRADING, now)
    if waited_s < rules.drain_s:
        return rollout
    if told is None or told.withdrawn:
        return _in_phase(rollout, RolloutPhase.UPGRADING, now)
    return _stopped(rollout, own, f"does not withdraw within {rules.drain_s:.0f} s", now)


def _upgraded(
    rollout: Rollout, own: Member, others: Sequence[Member], rules: RolloutRules, waited_s: float, now: float
) -> Rollout:
    if own.is_current or all(one.is_known_out for one in others):
        return _in_phase(rollout, RolloutPhase.RETURNING, now)
    if waited_s < rules.upgrade_s:
        return rollout
    runs = "" if own.report is None else f"runs {own.report.version} and "
    text = f"{runs}does not report version {rollout.version} within {rules.upgrade_s:.0f} s"
    return _stopped(rollout, own, text, now)


def _in_phase(rollout: Rollout, phase: RolloutPhase, now: float) -> Rollout:
    return replace(rollout, phase=phase, since=now, message="")


def _stopped(rollout: Rollout, own: Member, text: str, now: float) -> Rollout:
    return replace(rollout, phase=RolloutPhase.STOPPED, since=now, message=f"{own.name} {text}: {own.words}"[:1000])


def _started(cordoned: tuple[str, ...], members: Sequence[Member], rules: RolloutRules, now: float) -> Outlook:
    """Begin with the next gateway, if there is one and every other one serves."""
    orders = Orders(None, cordoned)
    waiting = [one for one in members if one.serves and not one.is_current]
    if not waiting:
        return Outlook(orders, "Current", f"{len(members)} of {len(members)} gateways run what they shall")
    # One that carries nothing anyway is the first.
    candidates = sorted((one for one in waiting if one.report is not None), key=lambda one: (one.carries, one.name))
    next_one = next((one for one in candidates if one.name not in cordoned), None)
    if next_one is None:
        names = ", ".join(f"{one.name}: {'cordoned' if one.name in cordoned else one.words}" for one in waiting)
        return Outlook(orders, "Waiting", names)
    if rules.paused:
        return Outlook(orders, "Paused", f"rollout.paused is true; {next_one.name} would be the next")
    others = _others(next_one, members)
    if not others:
        return Outlook(orders, "Waiting", f"{next_one.name} is the only gateway of its pool: upgrade it by hand")
    for one in others:
        why = _not_ready(one, cordoned, rules)
        if why:
            return Outlook(orders, "Waiting", f"{next_one.name} is the next; {one.name} {why}")
    rollout = Rollout(next_one.name, RolloutPhase.DRAINING, now, next_one.wanted)
    return Outlook(Orders(rollout, cordoned), "Progressing", _step_words(rollout))


def _not_ready(one: Member, cordoned: tuple[str, ...], rules: RolloutRules) -> str:
    """Why another gateway cannot be taken out beside this one; "": it can."""
    if one.name in cordoned or one.cordoned:
        return "has a node that is cordoned or out of service"
    if not one.serves:
        return "is not desired to serve"
    if one.has_served(rules.hold_down_s):
        return ""
    if one.carries and one.report is not None and one.report.standing == FULL:
        return "is not back for long enough"
    return f"does not serve: {one.words}"


def _step_words(rollout: Rollout) -> str:
    text = {
        RolloutPhase.DRAINING: "leaves the ECMP set and drains",
        RolloutPhase.UPGRADING: f"is drained: install version {rollout.version} now",
        RolloutPhase.RETURNING: "comes back",
        RolloutPhase.STOPPED: "did not come back",
    }[rollout.phase]
    return f"{rollout.gateway} {text}"
