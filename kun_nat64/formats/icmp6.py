"""ICMPv6 as the canary's raw socket sees it: echo messages, and errors that quote one of our packets (RFC 4443)."""

from dataclasses import dataclass
from ipaddress import IPv6Address

UNREACHABLE, PACKET_TOO_BIG, TIME_EXCEEDED = 1, 2, 3
PORT_UNREACHABLE = 4
ECHO_REQUEST, ECHO_REPLY = 128, 129
HEADER, IPV6_HEADER = 8, 40
# The kernel's ICMP6_FILTER (RFC 3542 section 3.2): a set bit blocks that type.
WANTED_TYPES = (UNREACHABLE, TIME_EXCEEDED, ECHO_REPLY)


@dataclass(frozen=True, slots=True)
class Echo:
    ident: int
    seq: int


@dataclass(frozen=True, slots=True)
class Error:
    """`sender`, `about`: source and destination of the quoted packet; `next_header`: 6, 17 or 58 of that packet."""

    type: int
    code: int
    sender: IPv6Address
    about: IPv6Address
    next_header: int


def echo_request(ident: int, seq: int, data: bytes = b"kun-nat64 canary") -> bytes:
    """Without checksum: for a raw ICMPv6 socket the kernel fills it in (RFC 3542 section 3.1)."""
    return bytes((ECHO_REQUEST, 0, 0, 0)) + ident.to_bytes(2, "big") + seq.to_bytes(2, "big") + data


def parse(data: bytes) -> Echo | Error | None:
    """None for what is none of ours: other types, and whatever is cut short."""
    if len(data) < HEADER:
        return None
    if data[0] == ECHO_REPLY:
        return Echo(int.from_bytes(data[4:6], "big"), int.from_bytes(data[6:8], "big"))
    if data[0] in (UNREACHABLE, TIME_EXCEEDED) and len(data) >= HEADER + IPV6_HEADER:
        quoted = data[HEADER : HEADER + IPV6_HEADER]
        return Error(data[0], data[1], IPv6Address(quoted[8:24]), IPv6Address(quoted[24:40]), quoted[6])
    return None


def filter_mask() -> bytes:
    mask = bytearray(b"\xff" * 32)
    for wanted in WANTED_TYPES:
        # Words are in host order; every platform we run on is little-endian, where bit n is bit n%8 of byte n//8.
        mask[wanted // 8] &= ~(1 << wanted % 8) & 0xFF
    return bytes(mask)
