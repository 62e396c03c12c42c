"""Raw packets for the parsers, and dnspython as the second opinion."""

import struct
from ipaddress import IPv6Address

import dns.message
from hypothesis import strategies as st

from kun_dns64.formats.query import parse_query
from kun_dns64.model.message import Query, Transport
from kun_dns64.model.step import Malformed

CLIENT = IPv6Address("2001:db8::c")
NAME = b"\x04t001\x01t\x07example\x00"


def header(ident: int = 67, flags: int = 0x0100, qd: int = 1, an: int = 0, ns: int = 0, ar: int = 0) -> bytes:
    return struct.pack("!6H", ident, flags, qd, an, ns, ar)


def question(name: bytes = NAME, qtype: int = 28, qclass: int = 1) -> bytes:
    return name + struct.pack("!HH", qtype, qclass)


def rr(
    owner: bytes = b"\x00", rtype: int = 1, rclass: int = 1, ttl: int = 60, rdata: bytes = b"", length: int = -1
) -> bytes:
    return owner + struct.pack("!HHIH", rtype, rclass, ttl, len(rdata) if length < 0 else length) + rdata


def opt(payload: int = 1232, ttl: int = 0, rdata: bytes = b"", owner: bytes = b"\x00", length: int = -1) -> bytes:
    return rr(owner, 41, payload, ttl, rdata, length)


def option(code: int, data: bytes) -> bytes:
    return struct.pack("!HH", code, len(data)) + data


def parse(wire: bytes, transport: Transport = Transport.UDP) -> Query | Malformed | None:
    return parse_query(wire, transport, CLIENT)


def rejected(wire: bytes) -> dns.message.Message:
    """The error reply, read by dnspython."""
    got = parse(wire)
    assert isinstance(got, Malformed), got
    return dns.message.from_wire(got.wire, ignore_trailing=False)


def accepted(wire: bytes) -> Query:
    got = parse(wire)
    assert isinstance(got, Query), got
    return got


labels = st.binary(min_size=1, max_size=63)


@st.composite
def wire_names(draw: st.DrawFn) -> bytes:
    out = b""
    for label in draw(st.lists(labels, max_size=6)):
        if len(out) + len(label) + 2 <= 255:
            out += bytes((len(label),)) + label
    return out + b"\x00"
