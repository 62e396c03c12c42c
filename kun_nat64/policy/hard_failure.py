"""Hard failures: an object without which no packet is translated was not found.

An area that could not be read is not evidence: only probes decide then.
"""

from collections.abc import Iterator

from kun_nat64.model.facts import Address, Fact, Facts, JoolGlobal, JoolInstance, Module, Tunnel
from kun_nat64.model.hostfacts import ANY_IPV4
from kun_nat64.model.observation import Observation
from kun_nat64.model.standing import Reason

# The first of these that holds names the fault: a missing module explains a missing instance.
ORDER = (
    Reason.CARRIER_DOWN,
    Reason.MODULE_MISSING,
    Reason.INSTANCE_MISSING,
    Reason.INSTANCE_PAUSED,
    Reason.TUNNEL_MISSING,
    Reason.VIP_MISSING,
)


def hard_faults(desired: Facts, observed: Observation, outside: str) -> tuple[Reason, ...]:
    """Return each reason once, the root cause first."""
    missing = desired - observed.facts
    found = {_when_missing(fact, observed.facts) for fact in missing if fact.area not in observed.failures}
    if not any(isinstance(fact, Tunnel) for fact in desired):
        found.discard(Reason.VIP_MISSING)  # nothing ends at it
    if _carrier_lost(observed, outside):
        found.add(Reason.CARRIER_DOWN)
    return tuple(reason for reason in ORDER if reason in found)


def _carrier_lost(observed: Observation, outside: str) -> bool:
    reports: Iterator[bool] = (
        not (link.present and link.up and link.carrier) for link in observed.links if link.name == outside
    )
    return any(reports)


def _when_missing(fact: Fact, observed: Facts) -> Reason | None:
    match fact:
        case Module(name=name) if name.startswith("jool"):
            return Reason.MODULE_MISSING
        case JoolInstance():
            return Reason.INSTANCE_MISSING
        case JoolGlobal(name="manually-enabled"):
            return Reason.INSTANCE_PAUSED
        case Tunnel(netns="") if fact.remote == ANY_IPV4:
            return Reason.TUNNEL_MISSING if _carries_nothing(fact, observed) else None
        case Address(ifname="lo", netns=""):
            return Reason.VIP_MISSING
    return None


def _carries_nothing(wanted: Tunnel, observed: Facts) -> bool:
    """Another MTU or TTL still carries packets; a tunnel that is down, or has other ends, does not, or not to all."""
    return not any(
        isinstance(fact, Tunnel) and fact.key == wanted.key and fact.up and _ends(fact) == _ends(wanted)
        for fact in observed
    )


def _ends(tunnel: Tunnel) -> tuple[object, ...]:
    return tunnel.local, tunnel.remote, tunnel.odd
