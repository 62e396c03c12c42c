"""Sessions for the tests of the session log."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address

from kun_base.prefix import Prefix
from kun_nat64.formats.joolcsv import SESSION_COLUMNS
from kun_nat64.formats.sessionlisting import SessionListing
from kun_nat64.model.audit import SessionKey, Timeouts
from kun_nat64.model.joolfacts import Protocol
from kun_nat64.model.sessionlist import SessionList
from kun_nat64.model.traffic import Endpoint4, Endpoint6, Session

POOL6 = Prefix.parse("2002:cb00:7101::/96")
TIMEOUTS = Timeouts(7200, 240, 300, 60)
POD = IPv6Address("2002:a01:2:1::10")
PUBLIC = IPv4Address("192.0.2.11")
SERVER = IPv4Address("198.51.100.80")


def session(
    port: int = 40000,
    *,
    protocol: Protocol = Protocol.TCP,
    left: float = 7200,
    state: str = "ESTABLISHED",
    pod: int = 0,
) -> Session:
    return Session(
        protocol,
        Endpoint6(POD + pod, 50000),
        Endpoint6(POOL6.embed(SERVER), 443),
        Endpoint4(PUBLIC, port),
        Endpoint4(SERVER, 443),
        left,
        state if protocol is Protocol.TCP else "",
    )


def flow(one: Session) -> SessionKey:
    return SessionKey(one.protocol, one.inside, one.outside, one.remote)


def text(sessions: Iterable[Session]) -> bytes:
    """As `jool session display --csv --numeric` prints them, of one protocol."""
    return (",".join(SESSION_COLUMNS) + "\n" + "".join(map(_row, sessions))).encode()


def _row(one: Session) -> str:
    ends = (one.inside, one.target, one.outside, one.remote)
    cells = [str(part) for end in ends for part in (end.address, end.port)]
    minutes, seconds = divmod(one.expires_s, 60)
    hours, minutes = divmod(int(minutes), 60)
    left = f"{hours}:{minutes:02}:{seconds:06.3f}"
    return ",".join([one.protocol.upper(), *cells, left, *([one.state] if one.protocol is Protocol.TCP else [])]) + "\n"


def listed(sessions: Iterable[Session], probe: IPv6Address | None = None) -> SessionList:
    """What the agent makes of them."""
    listing, every = SessionListing(probe), tuple(sessions)
    for protocol in Protocol:
        listing.feed(text(one for one in every if one.protocol is protocol))
        listing.end()
    return listing.found()
