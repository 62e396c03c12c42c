"""What a new file changes, why it may be refused, and which gateway of a fleet applies it next.

A file is applied as a whole or not at all. While it is refused, the old file stays in force, and the announcement too.
The guard judges only the change from file to file, not other differences on the host.
"""

from collections.abc import Callable, Iterator

from kun_nat64.model.announcement import WITHDRAWN, Announcement
from kun_nat64.model.area import Area
from kun_nat64.model.facts import BgpPath
from kun_nat64.model.fleet import Fleet, Member
from kun_nat64.model.observation import Observation
from kun_nat64.model.plan import Action, Change, Plan, Refusal, RefusalKind
from kun_nat64.model.spec import AgentSpec
from kun_nat64.model.traffic import Traffic
from kun_nat64.policy.desired import desired
from kun_nat64.policy.diff import plan
from kun_nat64.policy.flow_loss import stops_everything
from kun_nat64.policy.guard import Circumstances, guard

WAITS, RUNS = "waits", "runs"


def change_of(old: AgentSpec, new: AgentSpec, announced: Announcement, traffic: Traffic | None = None) -> Plan:
    """Return the plan from the old file's state to the new file's. `traffic` None: flows are not counted."""
    return plan(desired(new, announced), Observation(desired(old, announced)), traffic)


def is_dangerous(change: Plan) -> bool:
    """Whether the gateway carries no traffic during the change."""
    return any(stops_everything(one) or _withdraws(one) for one in change.changes)


def _withdraws(change: Change) -> bool:
    return change.action is Action.REMOVE and isinstance(change.fact, BgpPath)


def refusals(
    old: AgentSpec, new: AgentSpec, change: Plan, seen: Observation, *, other_exit: bool
) -> tuple[Refusal, ...]:
    """Return all reasons against the new file, by the old file's guard. `seen`: observed with the new file's scope."""
    main = old.gateway.announced
    # Other prefixes are the operator's to take back.
    extra = {
        (one.action, one.fact) for one in change.changes if isinstance(one.fact, BgpPath) and one.fact.prefix != main
    }
    circumstances = Circumstances(other_exit=other_exit, foreign=seen.foreign, approved=frozenset(extra))
    return (*_restarts(old, new), *_missing(old, new, seen), *guard(change, old.guard, circumstances))


def at_start(old: AgentSpec, new: AgentSpec, traffic: Traffic | None) -> tuple[Refusal, ...]:
    """Return reasons against starting with another file than the last one: flows that it would end."""
    change = change_of(old, new, WITHDRAWN, traffic)
    found = guard(change, old.guard, Circumstances(other_exit=True)) if is_dangerous(change) else ()
    return tuple(one for one in found if one.kind is RefusalKind.LIVE_SESSIONS)


def _restarts(old: AgentSpec, new: AgentSpec) -> Iterator[Refusal]:
    anew = "`systemctl stop kun-nat64` and `kun-nat64 teardown` with the old file, then start"
    was, is_ = old.nat64.instance, new.nat64.instance
    if was != is_:
        yield _restart(f"nat64.instance is {was}, the new file has {is_}: {anew}")
    if old.gateway.inside is not new.gateway.inside:
        yield _restart(f"gateway.inside is {old.gateway.inside}, the new file has {new.gateway.inside}: {anew}")
    for key, before, after in _listeners(old, new):
        if before != after:
            yield _restart(f"{key} is {before or 'not set'}, the new file has {after or 'nothing'}: {RESTART}")
    if _followed(old) != _followed(new):
        yield _restart(f"[follow] differs in the new file: {RESTART}")


def _followed(spec: AgentSpec) -> object:
    """The bounds of a change are taken from any file."""
    return None if spec.follow is None else (spec.follow.source, spec.follow.file)


def _listeners(old: AgentSpec, new: AgentSpec) -> Iterator[tuple[str, str, str]]:
    """The settings of open listeners: by key, the old and the new value."""
    for key, read in LISTENERS.items():
        yield key, read(old), read(new)


LISTENERS: dict[str, Callable[[AgentSpec], str]] = {
    "admin.listen": lambda spec: f"{spec.admin.host}:{spec.admin.port}",
    "admin.certificate": lambda spec: spec.admin.access.certificate,
    "admin.key": lambda spec: spec.admin.access.key,
    "fleet.ca_file": lambda spec: spec.fleet.ca_file,
    "fleet.listen": lambda spec: "{}:{}".format(*spec.fleet.listen) if spec.fleet.listen else "",
}


RESTART = "`systemctl restart kun-nat64` brings it into force and disturbs no flow"


def _restart(reason: str) -> Refusal:
    return Refusal(RefusalKind.NEEDS_RESTART, reason, forcible=False)


def _missing(old: AgentSpec, new: AgentSpec, seen: Observation) -> Iterator[Refusal]:
    """Return refusals for hard failures in the first observation with the new file."""
    outside = new.gateway.outside
    if Area.LINKS in seen.failures:
        error = seen.failures[Area.LINKS]
        yield Refusal(RefusalKind.UNKNOWN, f"the links of this machine cannot be read: {error}")
    elif outside != old.gateway.outside and not seen.link(outside).carrier:
        state = "has no carrier" if seen.link(outside).present else "is not on this machine"
        yield Refusal(RefusalKind.UNKNOWN, f"gateway.outside is {outside}, which {state}")


def may_change(own_name: str, fleet: Fleet, *, spacing_s: float) -> bool:
    """Whether it is this gateway's turn: one at a time, by name, `spacing_s` after the one before is back."""
    return not any(_goes_first(one, own_name, spacing_s) for one in fleet.members)


def _goes_first(member: Member, own_name: str, spacing_s: float) -> bool:
    fresh = member.full_for_s is not None and member.full_for_s < spacing_s
    return fresh or member.file_change == RUNS or (member.file_change == WAITS and member.name < own_name)
