"""The ring of gateways: its tunnels, the next member, and members that a filter hides.

The members are in the order of their addresses. A packet goes to the next member that answers, and visits at most as
many gateways as answer. Each gateway has its own view of the members; if two views differ, a packet misses a member or
visits one twice. It never circulates for ever (formats/ring_rules.py).
"""

from collections.abc import Collection, Iterator
from ipaddress import IPv4Address

from kun_nat64.model.facts import Facts, RingStep, Tunnel
from kun_nat64.model.fleet import Fleet, Member
from kun_nat64.model.health import Verdict
from kun_nat64.model.ringfacts import TO_NOBODY, RingSpec, ring_link
from kun_nat64.model.spec import AgentSpec
from kun_nat64.model.standing import Reason, Standing


def ring_tunnels(spec: AgentSpec) -> Iterator[Tunnel]:
    """Return a tunnel to each member: the device shows the sender of a packet. The MTU is that of the pods' tunnel."""
    if (ring := spec.fleet.ring) is not None:
        for member in ring.members:
            yield Tunnel(ring_link(member), local=ring.own, remote=member, mtu=ring.mtu)


def step(ring: RingSpec | None, answering: Collection[IPv4Address], *, takes: bool = True) -> RingStep:
    """To the next member that answers."""
    if ring is None:
        return TO_NOBODY
    if not answering:
        return RingStep(takes=takes)
    after = sorted(one for one in answering if one > ring.own)
    return RingStep((after or sorted(answering))[0], len(answering), takes=takes)


def takes(standing: Standing, verdict: Verdict, hard: Collection[Reason]) -> bool:
    """Whether flows of the ring get through here. A gateway that is out for a while, or for good, and whose packets
    come back carries on with those that it has.
    """
    return not (hard or (standing is Standing.OUT and verdict is Verdict.FAILED))


def in_force(observed: Facts, ring: RingSpec | None) -> RingStep:
    """Return the ring's present rules if they can be right: only the running agent knows which members answer."""
    found = next((fact for fact in observed if isinstance(fact, RingStep) and not fact.odd), TO_NOBODY)
    possible = ring is not None and found.to in ring.members and 0 < found.others <= len(ring.members)
    return found if possible else RingStep(takes=found.takes)


def silent_members(
    ring: RingSpec, answering: Collection[IPv4Address], sending: Collection[IPv4Address], fleet: Fleet
) -> list[str]:
    """Each member that does not answer in the ring, and why. `sending`: those whose packets come in."""
    known = {member.ring.own: member for member in fleet.members if member.ring is not None}
    silent = [one for one in ring.members if one not in answering]
    return [_why_silent(ring.own, one, one in sending, known.get(one), fleet) for one in silent]


def _why_silent(own: IPv4Address, other: IPv4Address, sending: bool, member: Member | None, fleet: Fleet) -> str:
    if member is None or member.ring is None:
        without = sorted(one.name for one in fleet.members if one.ring is None)
        if without:
            why = "older version, or fleet.ring = false"
            return f"{other} does not answer in the ring; without one: {', '.join(without)} ({why})"
        return f"{other} does not answer in the ring"
    if own not in member.ring.members:
        return f"{member.name} does not name {own} in its ring: fleet.members there"
    there = own in member.ring.sending
    if there and not sending:
        return f"protocol 41 from {other} to {own} is dropped on the way, the other direction works: a filter"
    if sending and not there:
        return f"protocol 41 from {own} to {other} is dropped on the way, the other direction works: a filter"
    return f"protocol 41 between {own} and {other} is dropped on the way: a filter"
