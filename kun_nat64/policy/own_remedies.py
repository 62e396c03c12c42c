"""Corrects remedies that the agent carries out itself: they hold only while it is allowed and able to.

If the guard blocks such a change, or the host refuses it, the remedy says how to let it through.
"""

from collections.abc import Iterable
from dataclasses import replace

from kun_nat64.model.diagnosis import Cause, Diagnosis
from kun_nat64.model.errors import DriverError
from kun_nat64.model.facts import Address, Fact, JoolInstance, LinkState, Module, Pool4, Route, Tunnel
from kun_nat64.model.plan import Refusal

# What the agent changes where it mends a cause.
MENDED_BY: dict[Cause, tuple[type[Fact], ...]] = {
    Cause.MODULE_MISSING: (Module,),
    Cause.POOL6_WRONG: (JoolInstance,),
    Cause.INSTANCE_MISSING: (JoolInstance,),
    Cause.FALLBACK_TUNNEL_MASKS: (Tunnel, LinkState),
    Cause.TUNNEL_MISSING: (Tunnel,),
    Cause.VIP_MISSING: (Address,),
    Cause.POOL4_EMPTY: (Pool4,),
    Cause.POOL4_LACKS_PROTOCOL: (Pool4,),
    Cause.RETURN_ROUTE_MISSING: (Route,),
}


def as_it_is(found: Diagnosis, refusals: Iterable[Refusal], failed: DriverError | None) -> Diagnosis:
    """Return the diagnosis with a remedy that works now. `failed`: the error of the last change."""
    kinds = MENDED_BY.get(found.cause)
    if kinds is None:
        return found
    for refusal in refusals:
        if any(isinstance(change.fact, kinds) for change in refusal.held):
            force = "; `kun-nat64 plan` shows it, `kun-nat64 apply --force` makes it" if refusal.forcible else ""
            return replace(found, remedy=f"the agent may not mend it: {refusal.reason}{force}")
    if failed is not None:
        return replace(found, remedy=f"the agent tries to mend it, and the machine refuses: {failed}")
    return found
