"""What a fault of the table is: what breaks a gateway, what heals it, and what must come of it.

`{public}` is the gateway's public address, `{inside}` and `{tor}` the ends of its cable to the TOR, `{name}` its name.
Commands are shell scripts, run on the gateway; those of `internet` and `tor` on that host.
"""

from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    NOTHING = "stays, and nothing is wrong"
    NAMES = "stays, and says what is wrong"
    MENDS = "stays, and puts it right"
    RAISES = "raises its MED until somebody mends it"
    RETURNS = "withdraws, puts it right and comes back"
    LEAVES = "withdraws until somebody mends it"
    UNHEARD = "the TOR leaves it, and hears of it again once somebody mends it"
    UNNOTICED = "the TOR and the pods notice nothing"


@dataclass(frozen=True, slots=True)
class Fault:
    """`cause`: of the diagnosis; `reason`: of the announcement, where it changes. `mends`: kind of fact put right.

    `service`: is sent `signal`; healed, it goes on or is started anew. `lasts_s`: UNNOTICED for so long. `unknown`: an
    area that cannot be seen meanwhile. `everywhere`: all gateways have it, none can be the control. `otherwise`: the
    name (cause and reason) that it may have instead: another gateway, which shares the kernel, was quicker to mend the
    rest, or the fault lasted long enough to be named.
    """

    name: str
    action: Action
    cause: str = "none"
    reason: str = ""
    breaks: str = "true"
    heals: str = "true"
    internet_breaks: str = ""
    internet_heals: str = ""
    tor_breaks: str = ""
    tor_heals: str = ""
    mends: str = ""
    service: str = ""
    signal: int = 0
    lasts_s: float = 0.0
    unknown: str = ""
    everywhere: bool = False
    otherwise: str = ""

    @property
    def causes(self) -> set[str]:
        return {self.cause, self.otherwise} - {""}

    @property
    def reasons(self) -> set[str]:
        return {self.reason, self.otherwise} - {""}


def rule(words: str, command: str = "iptables", host: str = "") -> dict[str, str]:
    """A rule of somebody else: `breaks` and `heals`, or those of `host`."""
    prefix = f"{host}_" if host else ""
    undone = words.replace("-I ", "-D ", 1)
    return {f"{prefix}breaks": f"{command} {words}", f"{prefix}heals": f"{command} {undone}"}


def policy(chain: str, command: str) -> dict[str, str]:
    return {"breaks": f"{command} -P {chain} DROP", "heals": f"{command} -P {chain} ACCEPT"}
