"""What a client can vary without changing its answer: each variation is the memo's from the second query on."""

from itertools import product

import pytest

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


SIZES = [*range(0, 1300, 3), 1231, 1232, 1233, 4096, 65535]


def test_of_what_fits_no_size_is_made_again() -> None:
    server = Server(RULE_SETS["usual"])
    server.compare(packet(payload=1232), SOURCES[0], Transport.UDP, 1000)
    assert all(server.compare(packet(payload=size), SOURCES[0], Transport.UDP, 1000) for size in SIZES)


@pytest.mark.parametrize("options", [(), ((10, bytes(8)),), ((3, b""),)], ids=["plain", "cookie", "others"])
def test_of_what_fits_no_datagram_every_size_is_cut_from_the_largest(options: tuple[tuple[int, bytes], ...]) -> None:
    server = Server(RULE_SETS["usual"])
    server.compare(packet("many", payload=4096, options=options), SOURCES[0], Transport.UDP, 1000)
    for size in SIZES:
        wire = packet("many", payload=size, options=options)
        assert server.compare(wire, SOURCES[0], Transport.UDP, 1003)
        reply = server.memos.of(SOURCES[0], Transport.UDP).quick(wire, 1003, str(SOURCES[0]))
        assert reply is not None
        assert len(reply) <= max(512, min(size, 1232))
