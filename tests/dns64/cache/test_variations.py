"""What a client can vary without changing its answer: each variation is the memo's from the second query on."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun_dns64.formats.reply_size import offered
from kun_dns64.model.message import Transport

from .memoworld import RULE_SETS, SOURCES, Server, packet


def with_bits(wire: bytes, first: int, second: int) -> bytes:
    return wire[:2] + bytes((wire[2] | first, wire[3] | second)) + wire[4:]


# AA, TC; RA, Z, RCODE.
MEANINGLESS = [(first, second) for first, second in product((0, 2, 4, 6), (0, 0x80, 0x40, 0xC0, 0x0F, 0xCF))]


@pytest.mark.parametrize("options", [(), ((10, bytes(8)),), ((3, b""),)], ids=["plain", "cookie", "others"])
def test_bits_that_mean_nothing_are_no_other_question(options: tuple[tuple[int, bytes], ...]) -> None:
    server = Server(RULE_SETS["usual"])
    wire = packet(options=options)
    assert not server.compare(wire, SOURCES[0], Transport.UDP, 1000)
    for first, second in MEANINGLESS:
        assert server.compare(with_bits(wire, first, second), SOURCES[0], Transport.UDP, 1000)
        # The extended RCODE and the reserved flags of OPT.
        if not options:
            odd = wire[:-6] + b"\xa5\x00\x7f\xff\x00\x00"
            assert server.compare(with_bits(odd, first, second), SOURCES[0], Transport.UDP, 1000)


@pytest.mark.parametrize("transport", [Transport.TCP, Transport.TLS])
def test_a_stream_has_no_sizes(transport: Transport) -> None:
    server = Server(RULE_SETS["usual"])
    assert not server.compare(packet("many"), SOURCES[0], transport, 1000)
    assert all(server.compare(packet("many", payload=size), SOURCES[0], transport, 1000) for size in range(0, 5000, 7))


@pytest.mark.parametrize("name", ["many", "plain"])
def test_few_sizes_are_made_and_none_is_too_large(name: str) -> None:
    server = Server(RULE_SETS["usual"])
    missed = [
        size
        for size in [*range(1300), 4096, 65535]
        if not server.compare(packet(name, payload=size), SOURCES[0], Transport.UDP, 1000)
    ]
    assert len(missed) <= 14
    for size in (512, 700, 1232, 9000):
        reply = server.memos.of(SOURCES[0], Transport.UDP).quick(packet(name, payload=size), 1000, "2001:db8::1")
        assert reply is not None
        assert len(reply) <= max(512, size)


@given(st.integers(0, 65535), st.integers(512, 65535))
def test_an_offer_is_never_exceeded_and_hardly_missed(payload: int, most: int) -> None:
    limit, exact = offered(payload, most), min(max(512, payload), most)
    assert limit <= exact
    assert exact - limit < (64 if exact < 4096 else 4096)
    assert offered(limit, most) == limit
