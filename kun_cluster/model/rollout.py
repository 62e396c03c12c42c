"""Which gateways the controller keeps out of service: one that is being upgraded, and those of cordoned nodes."""

from dataclasses import dataclass
from enum import StrEnum


class RolloutPhase(StrEnum):
    """Of the gateway whose turn it is. `STOPPED`: it did not come back, and no other one is touched."""

    DRAINING = "Draining"
    UPGRADING = "Upgrading"
    RETURNING = "Returning"
    STOPPED = "Stopped"


OUT_OF_SERVICE_PHASES = frozenset({RolloutPhase.DRAINING, RolloutPhase.UPGRADING})


@dataclass(frozen=True, slots=True)
class Rollout:
    """The gateway whose turn it is. `since`: of this phase, in Unix seconds. `version`: the one it shall run.

    `message`: why the rollout stopped, "" otherwise.
    """

    gateway: str
    phase: RolloutPhase
    since: float
    version: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class RolloutRules:
    """How long each step may take, in seconds. `hold_down_s`: a gateway is back when it has served for so long."""

    drain_s: float = 600.0
    upgrade_s: float = 3600.0
    return_s: float = 600.0
    hold_down_s: float = 30.0
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Orders:
    """What the leader has decided for a pool, kept in the pool's status, so that every replica compiles the same.

    `cordoned`: gateways drained because their nodes are cordoned or out of service, sorted.
    """

    rollout: Rollout | None = None
    cordoned: tuple[str, ...] = ()

    def drains(self, gateway: str) -> bool:
        """Tell whether this gateway is to be drained."""
        rollout = self.rollout
        upgraded = rollout is not None and rollout.gateway == gateway and rollout.phase in OUT_OF_SERVICE_PHASES
        return upgraded or gateway in self.cordoned


NO_ORDERS = Orders()
USUAL_RULES = RolloutRules()
