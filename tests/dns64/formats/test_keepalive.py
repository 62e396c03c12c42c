"""How long an idle connection stays is told by streams to who asks (RFC 7828)."""

import pytest

from kun_dns64.cache.reply_store import ReplyStore
from kun_dns64.formats.options import COOKIE, KEEPALIVE, find
from kun_dns64.formats.render import SizeLimits, render
from kun_dns64.model.message import Edns, Query, Transport
from kun_dns64.model.question import Question, Rcode
from kun_dns64.model.step import Reply, Rule
from tests.dns64.world import wire_name

LIMITS = SizeLimits(1232, 10)


def options_of(transport: Transport, *options: tuple[int, bytes], cookie: bytes = b"") -> bytes:
    query = Query(1, Question(wire_name("t.example"), 1), edns=Edns(1232, options=options), transport=transport)
    packet = render(query, Reply(Rcode.NOERROR, Rule.NO_A), LIMITS, cookie)
    return packet[packet.index(b"\x00\x00\x29\x04\xd0") + 11 :]


@pytest.mark.parametrize("transport", [Transport.TCP, Transport.TLS])
def test_streams_tell_it_in_tenths_of_a_second(transport: Transport) -> None:
    assert options_of(transport, (KEEPALIVE, b"")) == b"\x00\x0b\x00\x02\x00\x64"
    assert options_of(transport) == b""


def test_the_cookie_still_comes_last() -> None:
    assert options_of(Transport.TCP, (KEEPALIVE, b""), (COOKIE, bytes(8)), cookie=bytes(24))[-28:-24] == b"\0\x0a\0\x18"


def test_not_by_udp() -> None:
    """RFC 7828 section 3.2.1."""
    assert options_of(Transport.UDP, (KEEPALIVE, b"")) == b""


def test_the_store_keeps_both_apart() -> None:
    from tests.dns64.cache.memoworld import RULE_SETS, SOURCES, Server, packet

    server = Server(RULE_SETS["usual"])
    assert isinstance(server.wirecache, ReplyStore)
    other, asking = packet(options=((3, b""),)), packet(options=((KEEPALIVE, b""),))
    server.compare(other, SOURCES[0], Transport.TCP, 1000)
    assert not server.compare(asking, SOURCES[0], Transport.TCP, 1000)
    assert server.compare(asking, SOURCES[0], Transport.TCP, 1000)
    assert find(((KEEPALIVE, b""),), KEEPALIVE) == b""
