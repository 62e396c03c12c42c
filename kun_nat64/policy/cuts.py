"""Which live flows a plan ends. Only those that cannot survive: their public port, or the translator itself, goes."""

from collections.abc import Iterable, Iterator

from kun_nat64.model.facts import Address, JoolInstance, Pool4, Tunnel
from kun_nat64.model.plan import Action, Change, Cut
from kun_nat64.model.traffic import Traffic


def cuts(changes: Iterable[Change], traffic: Traffic | None) -> tuple[Cut, ...]:
    """One for each reason. `flows` counts sessions, None where `traffic` is not known."""
    return tuple(cut for cut in _cuts(tuple(changes), traffic) if cut.flows != 0)


def may_cut(changes: Iterable[Change]) -> bool:
    """Whether it is worth listing the traffic before showing the plan."""
    return bool(tuple(_cuts(tuple(changes), None)))


def _cuts(changes: tuple[Change, ...], traffic: Traffic | None) -> Iterator[Cut]:
    whole = [change for change in changes if stops_everything(change)]
    if whole:
        flows = None if traffic is None else len(traffic.sessions)
        yield Cut(flows, _worded(flows, f"every flow ends with: {whole[0].fact}"))
        return
    for change in changes:
        if change.action is Action.REMOVE and isinstance(change.fact, Pool4):
            flows = None if traffic is None else _in_range(change.fact, traffic)
            yield Cut(flows, _worded(flows, f"they use {change.fact}"))


def stops_everything(change: Change) -> bool:
    """Removing the translator, the VIP or the tunnel; or giving one of them another identity."""
    match change.fact:
        case JoolInstance():
            return change.action is not Action.ADD
        case Address(ifname="lo"):
            return change.action is Action.REMOVE
        case Tunnel(netns="", local=local):
            moved = isinstance(change.before, Tunnel) and change.before.local != local
            return change.action is Action.REMOVE or moved
    return False


def _in_range(entry: Pool4, traffic: Traffic) -> int:
    return sum(
        session.protocol is entry.protocol
        and session.outside.address == entry.address
        and entry.first_port <= session.outside.port <= entry.last_port
        for session in traffic.sessions
    )


def _worded(flows: int | None, why: str) -> str:
    number = "an unknown number of live flows are" if flows is None else f"{flows} live flows are"
    return f"{'1 live flow is' if flows == 1 else number} cut: {why}"
