"""What the session log keeps of a session: who had which public port, and between which moments. Wall-clock seconds."""

from dataclasses import dataclass
from enum import StrEnum

from kun_nat64.model.clients import NOBODY, Client
from kun_nat64.model.joolfacts import Protocol
from kun_nat64.model.traffic import Endpoint4, Endpoint6

PROTOCOLS = tuple(Protocol)
# Beyond the start of any log: the session was there already when the first look was made.
UNKNOWN = 0.0


@dataclass(frozen=True, slots=True)
class SessionKey:
    """A session without its times. Jool has no two of them at once (RFC 6146 section 3.1.2)."""

    protocol: Protocol
    inside: Endpoint6
    outside: Endpoint4
    remote: Endpoint4


@dataclass(frozen=True, slots=True)
class Record:
    """The session began after `after` and not later than `began`; `ended` None while it lives.

    `place` is the part of the store that holds it (a number that the store gives). `client`: whose it was when
    it began.
    """

    flow: SessionKey
    after: float
    began: float
    ended: float | None = None
    place: int = 0
    client: Client = NOBODY


class SessionEvent(StrEnum):
    STARTED = "session-started"
    ENDED = "session-ended"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long Jool keeps a session after its last packet, in seconds (RFC 6146 section 4)."""

    tcp_established_s: float
    tcp_transitory_s: float
    udp_s: float
    icmp_s: float

    @property
    def shortest_s(self) -> float:
        return min(self.tcp_transitory_s, self.udp_s, self.icmp_s)
