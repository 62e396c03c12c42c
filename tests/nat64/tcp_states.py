"""The TCP state machine of a NAT64 (RFC 6146 section 3.5.2.2), as the reference for accounts of flows.

Jool's setting handle-rst-during-fin-rcv is taken to be on: a RST after one FIN shortens the time and changes no state.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

EST, TRANS, NONE = "tcp-est", "tcp-trans", "none"
# Who sends what: the pod or the server, SYN, ACK (data), FIN or RST.
ALPHABET = ("pod A", "pod F", "pod R", "pod S", "server A", "server F", "server R")
OPENING = ("pod S", "server SA", "pod A")


@dataclass(frozen=True, slots=True)
class Flow:
    """`timer`: which of Jool's times runs."""

    state: str = "CLOSED"
    timer: str = NONE

    def after(self, event: str) -> "Flow":
        side, flags = event.split()
        match self.state, side, flags:
            case "CLOSED", "pod", "S":
                return Flow("V6_INIT", TRANS)
            case "CLOSED", _, _:
                return self
            case "V6_INIT", "server", "S" | "SA":
                return Flow("ESTABLISHED", EST)
            case "V6_INIT", _, _:
                return self
            case "ESTABLISHED", "pod", "F":
                return Flow("V6_FIN_RCV", EST)
            case "ESTABLISHED", "server", "F":
                return Flow("V4_FIN_RCV", EST)
            case "ESTABLISHED", _, "R":
                return Flow("TRANS", TRANS)
            case ("V6_FIN_RCV", "server", "F") | ("V4_FIN_RCV", "pod", "F"):
                return Flow("V4_FIN_V6_FIN_RCV", TRANS)
            case (("V6_FIN_RCV" | "V4_FIN_RCV"), _, "R"):
                return replace(self, timer=TRANS)
            case (("ESTABLISHED" | "V6_FIN_RCV" | "V4_FIN_RCV"), _, _):
                return replace(self, timer=EST)
            case "TRANS", _, flag if flag != "R":
                return Flow("ESTABLISHED", EST)
        return self


def after(events: tuple[str, ...]) -> Flow:
    flow = Flow()
    for event in events:
        flow = flow.after(event)
    return flow


def sequences(length: int) -> Iterator[tuple[str, ...]]:
    """Every course of that length, of a flow that was opened, and some of flows that were not."""
    yield from ((*OPENING, *rest) for rest in product(ALPHABET, repeat=length))
    yield from ((first, *rest) for first in ("pod S", "pod A") for rest in product(("pod S", "pod A"), repeat=1))
    yield from (("pod S", rest) for rest in ("server R", "pod R"))
