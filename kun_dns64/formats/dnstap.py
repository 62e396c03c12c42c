"""dnstap (dnstap.info): DNS messages as they passed, in protobuf, and the control frames of Frame Streams around them.

Written by hand: a dozen fields of one message, for which the protobuf runtime would be the largest dependency here.
"""

from enum import IntEnum
from typing import NamedTuple

CONTENT_TYPE = b"protobuf:dnstap.Dnstap"
_CONTENT_TYPE_FIELD = 1
# Field number and wire type as one byte: varint 0, bytes 2, fixed32 5.
_IDENTITY, _VERSION, _EXTRA, _MESSAGE = b"\x0a", b"\x12", b"\x1a", b"\x72"
_TYPE_IS_MESSAGE = b"\x78\x01"
_KIND, _FAMILY, _PROTOCOL = b"\x08", b"\x10", b"\x18"
_QUERY_ADDRESS, _RESPONSE_ADDRESS, _RESPONSE_PORT = b"\x22", b"\x2a", b"\x38"
_QUERY_S, _QUERY_NS, _QUERY = b"\x40", b"\x4d", b"\x52"
_RESPONSE_S, _RESPONSE_NS, _RESPONSE = b"\x60", b"\x6d", b"\x72"
_INET, _INET6 = b"\x01", b"\x02"


class MessageType(IntEnum):
    CLIENT_QUERY = 5
    CLIENT_RESPONSE = 6
    FORWARDER_QUERY = 7
    FORWARDER_RESPONSE = 8


class Protocol(IntEnum):
    UDP = 1
    TCP = 2
    DOT = 3
    DOH = 4


class ControlFrame(IntEnum):
    ACCEPT = 1
    START = 2
    STOP = 3
    READY = 4
    FINISH = 5


class Passed(NamedTuple):
    """A DNS message that passed. `client` and `server` are packed addresses (b"": not told), times in ns of the epoch.

    `bytes` is the query of a query kind, the response of the others; `responded_ns` counts only for those.
    """

    kind: MessageType
    protocol: Protocol
    raw: bytes
    asked_ns: int
    responded_ns: int = 0
    client: bytes = b""
    server: bytes = b""
    server_port: int = 0
    extra: bytes = b""


def head(identity: bytes, version: bytes) -> bytes:
    """The part that all payloads of a server share."""
    return _bytes(_IDENTITY, identity) + _bytes(_VERSION, version)


def payload(head: bytes, passed: Passed) -> bytes:
    """One Dnstap message."""
    is_query = passed.kind in (MessageType.CLIENT_QUERY, MessageType.FORWARDER_QUERY)
    family = _INET if len(passed.client or passed.server) == 4 else _INET6
    parts = [
        _KIND + bytes((passed.kind,)) + _FAMILY + family + _PROTOCOL + bytes((passed.protocol,)),
        _bytes(_QUERY_ADDRESS, passed.client),
        _bytes(_RESPONSE_ADDRESS, passed.server),
        _RESPONSE_PORT + _varint(passed.server_port) if passed.server_port else b"",
        _time(_QUERY_S, _QUERY_NS, passed.asked_ns),
    ]
    if is_query:
        parts.append(_bytes(_QUERY, passed.raw))
    else:
        parts += [_time(_RESPONSE_S, _RESPONSE_NS, passed.responded_ns), _bytes(_RESPONSE, passed.raw)]
    return head + _bytes(_EXTRA, passed.extra) + _bytes(_MESSAGE, b"".join(parts)) + _TYPE_IS_MESSAGE


def data_frame(payload: bytes) -> bytes:
    return len(payload).to_bytes(4) + payload


def control_frame(control: ControlFrame) -> bytes:
    """An escape of four zero bytes, then the control frame; STOP and FINISH name no content type."""
    body = control.to_bytes(4)
    if control not in (ControlFrame.STOP, ControlFrame.FINISH):
        body += _CONTENT_TYPE_FIELD.to_bytes(4) + len(CONTENT_TYPE).to_bytes(4) + CONTENT_TYPE
    return bytes(4) + len(body).to_bytes(4) + body


def control_of(body: bytes) -> ControlFrame:
    """What a control frame's body says. Raises ValueError for one that is none, or accepts another content type."""
    control = ControlFrame(int.from_bytes(body[:4]))
    if control is ControlFrame.ACCEPT and len(body) > 4 and CONTENT_TYPE not in body:
        raise ValueError("the reader takes no dnstap")
    return control


def _bytes(tag: bytes, value: bytes) -> bytes:
    return tag + _varint(len(value)) + value if value else b""


def _time(seconds_tag: bytes, rest_tag: bytes, time_ns: int) -> bytes:
    seconds, rest = divmod(time_ns, 1_000_000_000)
    return seconds_tag + _varint(seconds) + rest_tag + rest.to_bytes(4, "little")


def _varint(number: int) -> bytes:
    if number < 0x80:
        return bytes((number,))
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
