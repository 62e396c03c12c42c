"""The other gateways as second witness: whose fault a failure is, whether we are the last, whose turn it is."""

from kun_nat64.model.fleet import Fleet, Member
from kun_nat64.model.health import ProbeOutcome, Verdict
from kun_nat64.model.spec import Target
from kun_nat64.model.standing import RANK, Standing


def others_carry(fleet: Fleet, *, after: float) -> bool:
    """True when another gateway is announced and proven, and said so later than `after`."""
    return any(
        member.seen_at > after and member.verdict is Verdict.HEALTHY and RANK[member.standing] > RANK[Standing.OUT]
        for member in fleet.members
        if member.standing is not Standing.DRAINING
    )


def nobody_carries(fleet: Fleet) -> bool:
    """True when every member that the operator named has answered that it is out. One that is silent may carry."""
    answered = fleet.configured > 0 and len(fleet.members) == fleet.configured
    return answered and all(member.standing is Standing.OUT for member in fleet.members)


def all_fail(fleet: Fleet) -> bool:
    """True when there are witnesses and not one of them is healthy: what we share is suspect, not we."""
    return bool(fleet.members) and all(member.verdict is not Verdict.HEALTHY for member in fleet.members)


def reached_elsewhere(target: Target, fleet: Fleet, *, after: float) -> bool:
    return any(member.targets.get(str(target)) is ProbeOutcome.OK for member in fleet.members if member.seen_at > after)


def may_return(own_name: str, fleet: Fleet, *, spacing_s: float) -> bool:
    """One gateway at a time, `spacing_s` apart; those that wait go by name. Alone, nobody waits."""
    fresh = any(member.full_for_s is not None and member.full_for_s < spacing_s for member in fleet.members)
    return not fresh and not any(_goes_first(member, own_name) for member in fleet.members)


def _goes_first(member: Member, own_name: str) -> bool:
    return member.wants_back and member.name < own_name
