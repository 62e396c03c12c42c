"""A drain: the operator takes this gateway out of service without cutting what is flowing."""

from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    SERVING = "serving"
    DRAINING = "draining"
    DRAINED = "drained"


@dataclass(frozen=True, slots=True)
class Drain:
    """`since`: when it was asked for, in wall-clock seconds, for a drain outlives the agent; `begun`: the same by the
    agent's own clock. `by_table`: the controller's table wants it, not the operator of this machine.
    `left`: live TCP sessions at the last count, `oldest_s`: how long the oldest of them is seen.
    """

    phase: Phase = Phase.SERVING
    since: float = 0.0
    begun: float = 0.0
    why: str = ""
    left: int | None = None
    oldest_s: float | None = None
    ended: str = ""
    by_table: bool = False


SERVING = Drain()
