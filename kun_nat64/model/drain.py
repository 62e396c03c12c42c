"""A drain: the operator takes this gateway out of service without cutting what is flowing."""

from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    SERVING = "serving"
    DRAINING = "draining"
    DRAINED = "drained"


@dataclass(frozen=True, slots=True)
class Drain:
    """`since`: when it was asked for, `left`: live TCP sessions at the last count, `oldest_s`: how long the oldest
    of them has been seen. Times are wall-clock seconds, since a drain outlives the agent.
    """

    phase: Phase = Phase.SERVING
    since: float = 0.0
    why: str = ""
    left: int | None = None
    oldest_s: float | None = None
    ended: str = ""


SERVING = Drain()
