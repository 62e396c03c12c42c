"""Counts live flows that a plan ends: those whose public port, or the translator itself, is removed."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import replace
from ipaddress import IPv6Address

from kun_nat64.model.facts import Address, JoolInstance, Pool4, Protocol, Tunnel
from kun_nat64.model.hostfacts import ANY_IPV4
from kun_nat64.model.plan import Action, Change, Cut
from kun_nat64.model.traffic import Traffic


def cuts(changes: Iterable[Change], traffic: Traffic | None) -> tuple[Cut, ...]:
    """One for each reason. `flows` counts sessions, None where `traffic` is not known."""
    changes = tuple(changes)
    whole = next(filter(stops_everything, changes), None)
    if whole is not None:
        flows = None if traffic is None else len(traffic.sessions)
        found = [Cut(flows, _worded(flows, f"every flow ends with: {whole.fact}"))]
    else:
        removed = _removed_ports(changes)
        found = _counted(removed, traffic) if traffic is not None else _uncounted(removed)
    return tuple(cut for cut in found if cut.flows != 0)


def without_probes(traffic: Traffic, probe: IPv6Address) -> Traffic:
    """Return the traffic without the probes' sessions, found by their inner address."""
    return replace(
        traffic,
        bindings=tuple(one for one in traffic.bindings if one.inside.address != probe),
        sessions=tuple(one for one in traffic.sessions if one.inside.address != probe),
    )


def may_cut(changes: Iterable[Change]) -> bool:
    """Whether the plan may cut flows, so that they must be counted first."""
    changes = tuple(changes)
    return bool(_removed_ports(changes)) or any(map(stops_everything, changes))


def _removed_ports(changes: Iterable[Change]) -> list[Pool4]:
    return [one.fact for one in changes if one.action is Action.REMOVE and isinstance(one.fact, Pool4)]


def _uncounted(removed: Sequence[Pool4]) -> list[Cut]:
    """One for all of them: there is nothing to tell them apart by."""
    if not removed:
        return []
    more = f" and {len(removed) - 1} more entries of pool4" if len(removed) > 1 else ""
    return [Cut(None, _worded(None, f"they use {removed[0]}{more}"))]


def _counted(removed: Sequence[Pool4], traffic: Traffic) -> list[Cut]:
    """Sessions are walked through once, however many entries go: there may be a million of the former."""
    if not removed:
        return []
    ports: dict[tuple[Protocol, int], list[int]] = {(one.protocol, int(one.address)): [] for one in removed}
    for session in traffic.sessions:
        found = ports.get((session.protocol, int(session.outside.address)))
        if found is not None:
            found.append(session.outside.port)
    for found in ports.values():
        found.sort()
    return [_cut(entry, ports[entry.protocol, int(entry.address)]) for entry in removed]


def _cut(entry: Pool4, ports: list[int]) -> Cut:
    flows = bisect_right(ports, entry.last_port) - bisect_left(ports, entry.first_port)
    return Cut(flows, _worded(flows, f"they use {entry}") if flows else "")


def ends_sessions(change: Change) -> bool:
    """Whether Jool knows fewer flows afterwards: an account of them is then not true any more."""
    if isinstance(change.fact, Pool4):
        return change.action is Action.REMOVE
    return isinstance(change.fact, JoolInstance)


def stops_everything(change: Change) -> bool:
    """Removing the translator, the VIP or the tunnel; or giving one of them another identity."""
    fact = change.fact
    if type(fact) is Pool4:  # most of many changes
        return False
    match fact:
        case JoolInstance():
            return change.action is not Action.ADD
        case Address(ifname="lo"):
            return change.action is Action.REMOVE
        case Tunnel(netns="", local=local) if fact.remote == ANY_IPV4:
            moved = isinstance(change.before, Tunnel) and change.before.local != local
            return change.action is Action.REMOVE or moved
    return False


def _worded(flows: int | None, why: str) -> str:
    number = "an unknown number of live flows are" if flows is None else f"{flows} live flows are"
    return f"{'1 live flow is' if flows == 1 else number} cut: {why}"
