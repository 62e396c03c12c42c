"""Conclusions from the other gateways' status: whose failure it is, whether this is the last one, whose turn it is."""

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from ipaddress import IPv4Network, collapse_addresses

from kun_nat64.model.fleet import Fleet, Member
from kun_nat64.model.health import ProbeOutcome, Verdict
from kun_nat64.model.spec import AgentSpec, Target
from kun_nat64.model.standing import RANK, Standing
from kun_nat64.policy.ruleset import public_addresses


def others_carry(fleet: Fleet, *, after: float = float("-inf")) -> bool:
    """Whether another gateway is announced and proven, and reported it later than `after`."""
    return any(
        member.seen_at > after and member.verdict is Verdict.HEALTHY and RANK[member.standing] > RANK[Standing.OUT]
        for member in fleet.members
        if member.standing is not Standing.DRAINING
    )


def drain_refused(fleet: Fleet, *, announced: bool) -> str:
    """Return why a drain of this gateway would do harm, "" where it does none. `announced`: this gateway is.

    Only where a fleet is named can we know; without one the operator decides.
    """
    if not fleet.configured or not announced:
        return ""
    if draining := [member.name for member in fleet.members if member.standing is Standing.DRAINING]:
        return f"{', '.join(draining)} is draining: one gateway at a time"
    if not others_carry(fleet):
        return "no other gateway is known to carry: draining this one leaves the pods without a way out"
    return ""


def decides_later(fleet: Fleet, own_name: str) -> bool:
    """Whether a member is deciding about a drain of its own, and its name comes after ours: it counts us as gone."""
    return any(member.drain_asked and member.name > own_name for member in fleet.members)


def taken_as_draining(fleet: Fleet) -> Fleet:
    """Return the fleet with members that are deciding about a drain counted as draining."""
    members = (
        replace(member, standing=Standing.DRAINING) if member.drain_asked else member for member in fleet.members
    )
    return replace(fleet, members=tuple(members))


def nobody_carries(fleet: Fleet) -> bool:
    """Whether all configured members have answered that they are out. A member without an answer may carry traffic."""
    answered = fleet.configured > 0 and len(fleet.members) == fleet.configured
    return answered and all(member.standing is Standing.OUT for member in fleet.members)


def all_fail(fleet: Fleet) -> bool:
    """Whether other gateways answer and none is healthy: what all share is suspect, not this gateway."""
    return bool(fleet.members) and all(member.verdict is not Verdict.HEALTHY for member in fleet.members)


def reached_elsewhere(target: Target, fleet: Fleet, *, after: float) -> bool:
    """Whether another gateway reached the target, reported later than `after`."""
    return any(member.targets.get(str(target)) is ProbeOutcome.OK for member in fleet.members if member.seen_at > after)


def may_return(own_name: str, fleet: Fleet, *, spacing_s: float) -> bool:
    """Whether this gateway may come back: one at a time, `spacing_s` apart, in the order of their names."""
    fresh = any(member.full_for_s is not None and member.full_for_s < spacing_s for member in fleet.members)
    return not fresh and not any(_goes_first(member, own_name) for member in fleet.members)


def _goes_first(member: Member, own_name: str) -> bool:
    return member.wants_back and member.name < own_name


@lru_cache(maxsize=4)
def public_networks(spec: AgentSpec) -> tuple[IPv4Network, ...]:
    """Return the addresses of pool4, those of tenants as well, as the fewest networks."""
    return tuple(collapse_addresses(map(IPv4Network, public_addresses(spec))))


def contradictions(spec: AgentSpec, fleet: Fleet) -> Iterator[str]:
    """Return a text for each unique value that another gateway has too, with the consequence."""
    for member in fleet.members:
        if member.name == spec.gateway.name:
            yield f"{member.url} has gateway.name {member.name}, too: they cannot take turns"
        if member.router_id == str(spec.bgp.router_id):
            yield f"{member.name} has bgp.router_id {member.router_id}, too: routers refuse the second session"
        shared = next((own for own in public_networks(spec) for other in member.pool4 if own.overlaps(other)), None)
        if shared is not None:
            yield f"{member.name} has public addresses {shared}, too (pool4): answers reach one of the two gateways"
