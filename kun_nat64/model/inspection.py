"""What `doctor` found on the machine, before anybody has judged it. None: could not be looked at."""

from dataclasses import dataclass, field
from enum import StrEnum

from kun_nat64.model.errors import FailureKind
from kun_nat64.model.facts import Neighbour
from kun_nat64.model.foreign_objects import UNSEEN, Surroundings
from kun_nat64.model.observation import Foreign, LinkReport


@dataclass(frozen=True, slots=True)
class Inspection:
    """`module_file`: whether jool is built for this kernel, `next_module_file`: for the one that starts next.
    `input_rules`: `iptables-save -t filter`, as lines.

    `versions`: what each tool says of itself, "" when it is missing. `pool4_held`: pool4 addresses that are on an
    interface here. `differences`: the plan, as lines. `bgp_error`, `bgp_failure`: why the speaker did not answer.
    """

    kernel: str
    lacking_rights: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    module_file: bool | None = None
    next_kernel: str = ""
    next_module_file: bool | None = None
    module_loaded: bool | None = None
    module_version: str = ""
    dkms: str | None = None
    sysctls: dict[str, str | None] = field(default_factory=dict)
    input_rules: tuple[str, ...] | None = None
    links: tuple[LinkReport, ...] = ()
    fallback_up: bool | None = None
    neighbours: tuple[Neighbour, ...] | None = None
    bgp_error: str = ""
    bgp_failure: FailureKind | None = None
    pool4_held: frozenset[str] = frozenset()
    around: Surroundings = UNSEEN
    foreign: tuple[Foreign, ...] = ()
    differences: tuple[str, ...] | None = None


class Level(StrEnum):
    GOOD = "good"
    NOTE = "note"
    BAD = "bad"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked. `remedy`: the command that mends it."""

    level: Level
    check: str
    words: str
    remedy: str = ""
