"""Sessions for the tests of the session log."""

from ipaddress import IPv4Address, IPv6Address

from kun_base.prefix import Prefix
from kun_nat64.model.audit import SessionKey, Timeouts
from kun_nat64.model.joolfacts import Protocol
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
