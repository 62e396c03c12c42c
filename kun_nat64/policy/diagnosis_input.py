"""What a diagnosis rests on: symptoms of probes, facts, counters, and what others have put in the way."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kun_nat64.model.foreign_objects import UNSEEN, Surroundings
from kun_nat64.model.health import Symptom
from kun_nat64.model.spec import TargetKind
from kun_nat64.model.standing import Reason

WELL = frozenset({Symptom.ANSWERED, Symptom.REFUSED})
ILL = frozenset({Symptom.TIMEOUT, Symptom.NO_ROUTE_HERE, Symptom.NO_ROUTE_BEYOND})


@dataclass(frozen=True, slots=True)
class DiagnosisInput:
    """What is known. `symptoms`: last symptom of each target's kind; `counters`: Jool's, as increases over the look.

    `tunnel_rx`: packets that came out of the tunnel meanwhile, None where nobody counted. `pool4`: protocols in it,
    None where nobody looked; `pool4_wanted`: those that should be. `pods_route`: whether our way back to the pods is
    there. `pool_limit`: the share of used ports that is too much. `around`: what others have put in the way.
    `native`: pods' packets come without a tunnel. `one_armed`: they come in by the interface outside, and no key admits
    that. `ways`: packets that passed places of the way back meanwhile, None or absent where nobody counted. `cut_off`:
    nodes without a way back. `too_narrow`: full TCP segments are lost outside. `speaker`: as in [bgp];
    `speaker_error`, `sessions_down`: of BGP; `path_refused`, `path_unsent`: what the speaker made of our path.
    """

    symptoms: Mapping[TargetKind, frozenset[Symptom]]
    hard: frozenset[Reason] = frozenset()
    counters: Mapping[str, int] = field(default_factory=dict)
    tunnel_rx: int | None = None
    fallback_up: bool = False
    pool6_differs: bool = False
    pool4: frozenset[str] | None = None
    pool4_wanted: frozenset[str] = frozenset()
    pool_use: float | None = None
    pool_limit: float = 0.95
    pods_route: bool = True
    around: Surroundings = UNSEEN
    speaker: str = "gobgp"
    speaker_error: str = ""
    sessions_down: tuple[str, ...] = ()
    path_refused: bool = False
    path_unsent: tuple[str, ...] = ()
    qdisc: str = ""
    ways: Mapping[str, int] = field(default_factory=dict)
    cut_off: tuple[str, ...] = ()
    too_narrow: bool = False
    jool_version: tuple[int, ...] = ()
    native: bool = False
    one_armed: bool = False

    def rises(self, *names: str) -> bool:
        return any(self.counters.get(name, 0) > 0 for name in names)

    def passes(self, place: str) -> bool | None:
        """Whether packets passed that place of the way back; None: nobody counted."""
        count = self.ways.get(place)
        return None if count is None else count > 0

    @property
    def replies(self) -> int:
        """IPv4 packets for the translator: without the outer packets of the tunnel, and without the host's own."""
        of_others = ("UNKNOWN_L4_PROTO", "POOL4_MISMATCH")
        return self.counters.get("RECEIVED4", 0) - sum(self.counters.get(name, 0) for name in of_others)

    @property
    def requests(self) -> int:
        """IPv6 packets for pool6: without the host's own, neighbour discovery and BGP among them."""
        of_others = ("UNKNOWN_ICMP6_TYPE", "POOL6_MISMATCH")
        return self.counters.get("RECEIVED6", 0) - sum(self.counters.get(name, 0) for name in of_others)

    @property
    def all_symptoms(self) -> frozenset[Symptom]:
        return frozenset().union(*self.symptoms.values())

    @property
    def all_fail(self) -> bool:
        return self.any_fails and not self.all_symptoms & WELL

    @property
    def any_fails(self) -> bool:
        return bool(self.all_symptoms & ILL)
