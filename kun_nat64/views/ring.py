"""The ring as plain data: what packets of unknown flows become, for people and for the other gateways."""

from dataclasses import asdict
from typing import Any

from kun_nat64.model.facts import RingStep
from kun_nat64.state.agent_state import State


def ring_of(state: State) -> dict[str, Any] | None:
    """None where there is no ring. `next`: where they go now, as the machine has it."""
    ring, seen = state.spec.fleet.ring, state.machine.seen
    if ring is None:
        return None
    steps = [fact for fact in seen.facts if isinstance(fact, RingStep)] if seen else []
    counts = seen.ring if seen else None
    return {
        "own": str(ring.own),
        "members": [str(one) for one in ring.members],
        "answering": sorted(map(str, state.ring.answering or ())),
        "heard": sorted(map(str, state.ring.sending)),
        "next": next((str(one.to) for one in steps if one.to is not None), None),
        "packets": asdict(counts) if counts else None,
    }


def ring_size(state: State) -> int:
    ring = state.spec.fleet.ring
    return len(ring.members) if ring else 0
