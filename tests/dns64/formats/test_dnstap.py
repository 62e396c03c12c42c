"""dnstap payloads, read back by field number as any protobuf reader would."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun_dns64.formats.dnstap import (
    CONTENT_TYPE,
    ControlFrame,
    MessageType,
    Passed,
    Protocol,
    control_frame,
    control_of,
    data_frame,
    head,
    payload,
)

NS = 1_000_000_000


def fields(raw: bytes) -> Iterator[tuple[int, int | bytes]]:
    place = 0

    def varint() -> int:
        nonlocal place
        number = shift = 0
        while True:
            byte = raw[place]
            place += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    while place < len(raw):
        tag = varint()
        if tag & 7 == 0:
            yield tag >> 3, varint()
            continue
        size = varint() if tag & 7 == 2 else 4
        value = raw[place : place + size]
        place += size
        yield tag >> 3, value if tag & 7 == 2 else int.from_bytes(value, "little")


TIMES = st.integers(0, 4 * 10**9 * NS)


@given(
    st.sampled_from(MessageType), st.sampled_from(Protocol), st.binary(min_size=1, max_size=300), TIMES, TIMES,
    st.sampled_from([b"\x7f\x00\x00\x01", bytes(15) + b"\x01"]), st.integers(1, 65535),
)  # fmt: skip
def test_every_field_comes_back(
    kind: MessageType, protocol: Protocol, raw: bytes, asked: int, answered: int, address: bytes, port: int
) -> None:
    passed = Passed(kind, protocol, raw, asked, answered, server=address, server_port=port, extra=b"why")
    outer = dict(fields(payload(head(b"me", b"1"), passed)))
    message = outer.pop(14)
    assert outer == {1: b"me", 2: b"1", 3: b"why", 15: 1}
    assert isinstance(message, bytes)
    wanted = {
        1: kind,
        2: 1 if len(address) == 4 else 2,
        3: protocol,
        5: address,
        7: port,
        8: asked // NS,
        9: asked % NS,
    }
    if kind in (MessageType.CLIENT_QUERY, MessageType.FORWARDER_QUERY):
        wanted[10] = raw
    else:
        wanted |= {12: answered // NS, 13: answered % NS, 14: raw}
    assert dict(fields(message)) == wanted


def test_a_client_has_an_address_and_no_port_of_ours() -> None:
    passed = Passed(MessageType.CLIENT_QUERY, Protocol.UDP, b"q", 0, client=b"\x0a\x00\x00\x01")
    message = dict(fields(payload(b"", passed)))[14]
    assert isinstance(message, bytes)
    assert dict(fields(message)) == {1: 5, 2: 1, 3: 1, 4: b"\x0a\x00\x00\x01", 8: 0, 9: 0, 10: b"q"}


def test_frames_are_those_of_frame_streams() -> None:
    assert data_frame(b"abc") == b"\x00\x00\x00\x03abc"
    named = b"\x00\x00\x00\x01\x00\x00\x00\x16" + CONTENT_TYPE
    assert control_frame(ControlFrame.START) == bytes(4) + b"\x00\x00\x00\x22\x00\x00\x00\x02" + named
    assert control_frame(ControlFrame.STOP) == bytes(4) + b"\x00\x00\x00\x04\x00\x00\x00\x03"


def test_a_reader_of_something_else_is_refused() -> None:
    assert control_of(control_frame(ControlFrame.ACCEPT)[8:]) is ControlFrame.ACCEPT
    assert control_of(b"\x00\x00\x00\x05") is ControlFrame.FINISH
    with pytest.raises(ValueError, match="no dnstap"):
        control_of(b"\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x03abc")
    with pytest.raises(ValueError):
        control_of(b"\x00\x00\x00\x63")
