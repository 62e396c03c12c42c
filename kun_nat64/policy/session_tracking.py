"""From looks at Jool's session table to the beginnings and ends of sessions.

No session is missed while looks come more often than the shortest timeout: Jool removes a session only when its time
is over (RFC 6146 section 3.5), also one that was closed or reset. And the times are better than the pace of the looks:

- a session that is new at this look began after the last one, and not later than its last packet, which was
  `timeout - expires` ago;
- one that is gone ended when its time was over, as the last look saw it: any later packet would have kept it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address

from kun_nat64.model.audit import PROTOCOLS, UNKNOWN, Record, Timeouts, flow_of, number_of
from kun_nat64.model.clients import NOBODY, Client
from kun_nat64.model.joolfacts import Protocol
from kun_nat64.model.traffic import Session

# States of RFC 6146 section 3.5.2 that the long timeout is for.
LONG_STATES = frozenset({"ESTABLISHED", "V4_FIN_RCV", "V6_FIN_RCV"})
PLACE_OF = {protocol: place for place, protocol in enumerate(PROTOCOLS)}


@dataclass(frozen=True, slots=True)
class Look:
    """The session table, read from `begun` to `done`. `whole`: these are all sessions."""

    sessions: tuple[Session, ...]
    begun: float
    done: float
    whole: bool = True


@dataclass(frozen=True, slots=True)
class News:
    started: tuple[Record, ...] = ()
    ended: tuple[Record, ...] = ()


# after, began, when its time is over, place in the store, whose it was when it began
Life = tuple[float, float, float, int, Client]
# Whose an inside address was at a moment.
WhoWas = Callable[[IPv6Address, float], Client]


def nobody(_address: IPv6Address, _at: float) -> Client:
    return NOBODY


class Ledger:
    """The sessions that live. `known`: those that an earlier ledger left alive, `looked_at`: when it looked last."""

    def __init__(self, known: Iterable[Record] = (), looked_at: float = UNKNOWN) -> None:
        # What nobody has seen since then may have ended at any later moment: its time is over when it is missed.
        self._live: dict[int, Life] = {
            number_of(one.flow): (one.after, one.began, max(one.began, looked_at), one.place, one.client)
            for one in known
        }
        self._looked_at = looked_at

    def __len__(self) -> int:
        return len(self._live)

    def take(self, look: Look, timeouts: Timeouts, place: int, who_was: WhoWas = nobody) -> News:
        """What has begun and ended since the last look. New records are to be kept at `place`."""
        last, before = self._looked_at, self._live
        live: dict[int, Life] = {}
        started: list[Record] = []
        for session in look.sessions:
            number = _number(session)
            life = before.pop(number, None)
            over = look.done + session.expires_s
            if life is not None:
                live[number] = (life[0], life[1], over, life[3], life[4])
                continue
            began = max(last, look.done - _idle_s(session, timeouts))
            if number in live:
                continue  # it was listed twice: the table moved while it was read
            client = who_was(session.inside.address, began)
            live[number] = (last, began, over, place, client)
            started.append(Record(flow_of(number), last, began, None, place, client))
        if not look.whole:
            # Not listed is not ended: it lives until the time that it had left at the last look is over.
            live |= {number: life for number, life in before.items() if life[2] > look.done}
            before = {number: life for number, life in before.items() if number not in live}
        ended = tuple(_ended(number, life, look.done) for number, life in before.items())
        self._live, self._looked_at = live, look.begun
        return News(tuple(started), ended)


def _ended(number: int, life: Life, now: float) -> Record:
    after, began, over, place, client = life
    return Record(flow_of(number), after, began, max(began, min(over, now)), place, client)


def _number(session: Session) -> int:
    """As `number_of`, without making a value in between: this is done for every session at every look."""
    inside, outside, remote = session.inside, session.outside, session.remote
    six = int(inside.address) << 16 | inside.port
    four = (int(outside.address) << 16 | outside.port) << 48 | int(remote.address) << 16 | remote.port
    return (six << 96 | four) << 2 | PLACE_OF[session.protocol]


def _idle_s(session: Session, timeouts: Timeouts) -> float:
    """Seconds since the last packet; 0 where that cannot be said (the timeouts were changed in between)."""
    match session.protocol:
        case Protocol.UDP:
            limit = timeouts.udp_s
        case Protocol.ICMP:
            limit = timeouts.icmp_s
        case Protocol.TCP:
            # A reset leaves the state as it is and takes the short time (handle-rst-during-fin-rcv): then the long one
            # would say that the packet was hours ago.
            long = session.state in LONG_STATES and session.expires_s > timeouts.tcp_transitory_s
            limit = timeouts.tcp_established_s if long else timeouts.tcp_transitory_s
    return max(0.0, limit - session.expires_s)
