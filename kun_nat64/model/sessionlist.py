"""Jool's sessions as one look lists them, packed: a million of them take 30 bytes each, as values they would take 900.

A page holds the sessions whose public address, protocol and upper four bits of the public port are the same. A session
is FLOW bytes there: public port, inside address and port, remote address and port, in network byte order.
"""

import struct
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from itertools import chain

from kun_nat64.model.audit import PROTOCOLS, SessionKey
from kun_nat64.model.traffic import Endpoint4, Endpoint6

LAYOUT = struct.Struct("!H16sH4sH")
FLOW = LAYOUT.size
ONE = struct.Struct(f"{FLOW}s")
# (place in PROTOCOLS, public address, upper bits of the public port)
PageKey = tuple[int, int, int]
PAGE_BITS = 12


@dataclass(slots=True)
class SessionPage:
    """`left_s`: seconds that each session has left, in the order of `flows`."""

    flows: bytes | bytearray
    left_s: "array[float]"


Pages = dict[PageKey, SessionPage]


@dataclass(frozen=True, slots=True)
class SessionList:
    """`held`: sessions by inside address, as a number; `ports`: by public address and protocol a bit for each port.

    The probes' own sessions have their ports in `ports` and are nowhere else. `left_out`: sessions that are counted and
    in no page, by inside address. `partial`: the list did not come to its end. `live_tcp`: TCP sessions that neither
    end has closed; `live`: what tells each of them from the others, None where they are too many. `pages` may be
    emptied by whoever takes them.
    """

    pages: Pages = field(default_factory=dict)
    sessions: int = 0
    bindings: int = 0
    live_tcp: int = 0
    live: tuple[bytes, ...] | None = ()
    held: Mapping[int, int] = field(default_factory=dict)
    ports: Mapping[tuple[IPv4Address, str], bytearray] = field(default_factory=dict)
    left_out: Mapping[IPv6Address, int] = field(default_factory=dict)
    partial: bool = False

    @property
    def whole(self) -> bool:
        """Whether every session is in `pages`."""
        return not self.partial and not self.left_out


def split(flows: bytes | bytearray) -> Iterator[bytes]:
    return chain.from_iterable(ONE.iter_unpack(flows))


def key_of(flow: SessionKey) -> PageKey:
    return PROTOCOLS.index(flow.protocol), int(flow.outside.address), flow.outside.port >> PAGE_BITS


def packed(flow: SessionKey) -> bytes:
    inside, remote = flow.inside, flow.remote
    return LAYOUT.pack(flow.outside.port, inside.address.packed, inside.port, remote.address.packed, remote.port)


def unpacked(key: PageKey, data: bytes) -> SessionKey:
    """The reverse of `key_of` and `packed`."""
    port, inside, inside_port, remote, remote_port = LAYOUT.unpack(data)
    return SessionKey(
        PROTOCOLS[key[0]],
        Endpoint6(IPv6Address(inside), inside_port),
        Endpoint4(IPv4Address(key[1]), port),
        Endpoint4(IPv4Address(remote), remote_port),
    )
