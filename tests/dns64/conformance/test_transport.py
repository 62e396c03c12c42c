"""Connections and sockets in front: what takes more than one message (RFC 7766, RFC 9210, RFC 9018)."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack

import dns.edns
import dns.message
import pytest

from .case import a, nodata, synth
from .cases_edns import CLIENT_COOKIE, COOKIE
from .client import Query, TcpConnection, ask, opened
from .configs import filled, plain
from .judge import judge
from .names import Names
from .run import Stage
from .script import After, ByTransport, Raw, Says, Twice
from .server import V4, V6, Server


def _tcp(server: Server, wait_s: float = 3.5) -> TcpConnection:
    connection = opened("tcp", V4, server.port, wait_s=wait_s)
    assert isinstance(connection, TcpConnection)
    return connection


def _known(stage: Stage) -> Names:
    names = Names.fresh()
    stage.one.script(names, {"A": a(".33")})
    return names


def _asked_and_right(server: Server, names: Names, transport: str = "tcp") -> None:
    sent = Query().to_wire(names)
    heard = ask(sent, transport, V4, server.port)
    assert judge(Query(), sent, heard, synth(".33"), names, transport) == []


@pytest.fixture
def private(stage: Stage, request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server with tight limits of its own: 1 s of idleness, 20 connections in all, 8 for one client."""
    limits = {"tcp_idle_s": 1, "tcp_max_connections": 20, "tcp_max_per_client": 8}
    config = filled(plain(server=limits), {"ONE": stage.one.address})
    server = stage.servers.private("limits-" + request.node.name, config)
    yield server
    trouble = server.new_trouble()
    assert server.stop() == 0
    assert not trouble


def test_c199_rfc9018_4_cookie_of_one_replica_is_good_at_another(stage: Stage) -> None:
    names = _known(stage)
    first, second = stage.servers.get("cookies-a"), stage.servers.get("cookies-b")
    asked = Query(options=((COOKIE, CLIENT_COOKIE),))
    reply = _parsed(ask(asked.to_wire(names), "udp", V4, first.port).wire)
    cookie = next(option.to_wire() for option in reply.options if option.otype == COOKIE)
    assert cookie is not None
    assert len(cookie) == 24
    full = Query(options=((COOKIE, cookie),))
    sent = full.to_wire(names)
    heard = ask(sent, "udp", V4, second.port)
    assert judge(full, sent, heard, synth(".33"), names, "udp") == []
    again = next(option.to_wire() for option in _parsed(heard.wire).options if option.otype == COOKIE)
    # RFC 9018 section 4.3: version 1, three reserved bytes, then a timestamp and 8 bytes of SipHash
    assert again is not None
    assert again[8:12] == b"\1\0\0\0"


def _parsed(wire: bytes | None) -> dns.message.Message:
    assert wire is not None
    return dns.message.from_wire(wire)


def _thousands_of_a(count: int) -> ByTransport:
    """Written byte by byte: a library takes a second for as many records."""

    def build(query: bytes) -> bytes:
        end = query.index(b"\0", 12) + 5
        tail = b"\0\0\x29\x04\xd0\0\0\0\0\0\0" if query[11] else b""
        head = query[:2] + b"\x81\x80\0\1" + struct.pack("!H", count) + b"\0\0\0" + bytes([len(tail) > 0])
        records = b"".join(b"\xc0\x0c\0\1\0\1\0\0\x0e\x10\0\4\x14" + struct.pack("!HB", i, 9) for i in range(count))
        return head + query[12:end] + records + tail

    return ByTransport(Says(tc=True), Raw(build))


def test_c229_rfc1035_4_2_2_2339_aaaa_fill_a_tcp_message(stage: Stage) -> None:
    server, names = stage.servers.get("plain"), Names.fresh()
    stage.one.script(names, {"A": _thousands_of_a(2339)})
    with _tcp(server) as connection:
        connection.send(Query().to_wire(names))
        heard = connection.receive() or b""
    assert len(heard) == 65535
    assert heard[3] & 15 == 0
    assert not heard[2] & 2, "TC by TCP"
    addresses = [heard[at + 12 : at + 28] for at in range(32, 32 + 28 * 2339, 28)]
    prefix = bytes.fromhex("2002c6336440") + bytes(6)
    assert sorted(addresses) == [prefix + b"\x14" + struct.pack("!HB", i, 9) for i in range(2339)]


def test_c229a_decision_d19_one_more_is_servfail_and_the_connection_stays_usable(stage: Stage) -> None:
    server, names, good = stage.servers.get("plain"), Names.fresh(), _known(stage)
    stage.one.script(names, {"A": _thousands_of_a(2340)})
    with _tcp(server) as connection:
        connection.send(Query().to_wire(names))
        failed = _parsed(connection.receive())
        connection.send(Query().to_wire(good))
        assert len(_parsed(connection.receive()).answer) == 1
    assert failed.rcode() == 2
    assert [int(option.code) for option in failed.options if isinstance(option, dns.edns.EDEOption)] == [0]


def test_c234_rfc7766_6_2_1_1_pipelined_queries_are_all_answered(stage: Stage) -> None:
    server = stage.servers.get("plain")
    wires = [Query().to_wire(_known(stage)) for _ in range(60)]
    with _tcp(server) as connection:
        connection.sock.sendall(b"".join(struct.pack("!H", len(wire)) + wire for wire in wires))
        got = {(connection.receive() or b"")[:2] for _ in wires}
    assert got == {wire[:2] for wire in wires}


def test_c235_rfc7766_7_a_slow_query_does_not_hold_up_the_next(stage: Stage) -> None:
    server, slow, quick = stage.servers.get("plain"), Names.fresh(), _known(stage)
    stage.one.script(slow, {"AAAA": After(0.8, nodata()), "A": a(".33")})
    _asked_and_right(server, quick)
    with _tcp(server) as connection:
        first, second = Query().to_wire(slow), Query().to_wire(quick)
        connection.send(first)
        connection.send(second)
        replies = [connection.receive() or b"", connection.receive() or b""]
    assert [reply[:2] for reply in replies] == [second[:2], first[:2]]


def test_c236_rfc7766_8_length_and_message_come_in_one_segment(stage: Stage) -> None:
    server, names = stage.servers.get("plain"), _known(stage)
    for _ in range(20):
        wire = Query().to_wire(names)
        with _tcp(server) as connection:
            connection.send(wire)
            first = connection.sock.recv(65535)
        assert len(first) == 2 + int.from_bytes(first[:2], "big")


@pytest.mark.parametrize("cut", [1, 2, 3, 14, 30])
def test_c237_rfc7766_8_a_query_in_two_segments_is_answered(stage: Stage, cut: int) -> None:
    server, names = stage.servers.get("plain"), _known(stage)
    wire = Query().to_wire(names)
    framed = struct.pack("!H", len(wire)) + wire
    with _tcp(server) as connection:
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sock.sendall(framed[:cut])
        time.sleep(0.05)
        connection.sock.sendall(framed[cut:])
        assert (connection.receive() or b"")[:2] == wire[:2]


@pytest.mark.parametrize("length", [0, 1, 5, 11])
def test_c238_short_frames_end_the_connection_or_are_ignored(stage: Stage, length: int) -> None:
    server, names = stage.servers.get("plain"), _known(stage)
    with _tcp(server, wait_s=0.5) as connection:
        connection.sock.sendall(struct.pack("!H", length) + bytes(length))
        assert connection.receive() is None
    _asked_and_right(server, names)
    assert server.new_trouble() == ""


def test_c239_rfc7766_6_2_3_an_idle_connection_is_closed(private: Server, stage: Stage) -> None:
    names = _known(stage)
    with _tcp(private, wait_s=8) as connection:
        connection.send(Query().to_wire(names))
        assert connection.receive() is not None
        start = time.monotonic()
        assert connection.sock.recv(1) == b""
        assert 0.5 < time.monotonic() - start < 6


def test_c239a_rfc7766_6_2_3_a_slow_writer_is_closed_and_others_are_served(private: Server, stage: Stage) -> None:
    names = _known(stage)
    wire = Query().to_wire(names)
    framed = struct.pack("!H", len(wire)) + wire
    with _tcp(private, wait_s=0.3) as connection:
        closed = False
        for byte in framed[:24]:
            try:
                connection.sock.sendall(bytes([byte]))
                closed = connection.sock.recv(1) == b""
            except TimeoutError:
                continue
            except OSError:
                closed = True
            if closed:
                break
        assert closed
    _asked_and_right(private, names)


def test_c239b_rfc7766_3_a_connection_that_waits_for_its_answer_is_not_idle(stage: Stage) -> None:
    limits = {"tcp_idle_s": 0.5, "budget_s": 5}
    server = stage.servers.private("waiting", filled(plain(server=limits), {"ONE": stage.one.address}))
    names = Names.fresh()
    stage.one.script(names, {"AAAA": After(2.5, nodata()), "A": a(".33")})
    wire = Query().to_wire(names)
    with _tcp(server, wait_s=8) as connection:
        connection.send(wire)
        assert (connection.receive() or b"")[:2] == wire[:2]
        assert connection.sock.recv(1) == b""
    assert server.stop() == 0


def test_c240_a_client_that_never_reads_does_not_harm_others(stage: Stage) -> None:
    server, names = stage.servers.get("plain"), Names.fresh()
    stage.one.script(names, {"A": _thousands_of_a(1500)})
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(0.5)
    sock.connect((V4, server.port))
    with sock:
        wire = Query().to_wire(names)
        try:
            sock.sendall((struct.pack("!H", len(wire)) + wire) * 300)
        except TimeoutError:
            pass
        except ConnectionError:
            pass
        _asked_and_right(server, _known(stage))
        _asked_and_right(server, _known(stage), "udp")


def test_c241_rfc9210_4_idle_connections_do_not_shut_others_out(private: Server, stage: Stage) -> None:
    names = _known(stage)
    with ExitStack() as held:
        for _ in range(60):
            held.enter_context(_tcp(private))
        _asked_and_right(private, names)
        _asked_and_right(private, names, "udp")


def test_c241a_the_connection_idle_longest_makes_room(private: Server, stage: Stage) -> None:
    names = _known(stage)
    with ExitStack() as held:
        connections = []
        for _ in range(9):
            connections.append(held.enter_context(_tcp(private, wait_s=2)))
            # One that has just come, and may be about to ask, makes no room for half a second.
            time.sleep(0.08)
        last = connections[-1]
        last.send(Query().to_wire(names))
        assert last.receive() is not None
        assert connections[0].sock.recv(1) == b""


def test_c241b_a_client_may_close_right_after_asking(stage: Stage) -> None:
    server = stage.servers.get("plain")
    for _ in range(20):
        with _tcp(server) as connection:
            connection.send(Query().to_wire(_known(stage)))
    _asked_and_right(server, _known(stage))
    assert server.new_trouble() == ""


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.53", "127.9.9.9", V6])
def test_c242_rfc2181_4_1_the_reply_comes_from_the_address_asked(stage: Stage, address: str) -> None:
    server = stage.servers.get("wildcard")
    names = _known(stage)
    sent = Query().to_wire(names)
    heard = ask(sent, "udp", address, server.port)  # a connected socket hears nobody else
    assert judge(Query(), sent, heard, synth(".33"), names, "udp") == []


def test_c323_one_query_gets_one_reply(stage: Stage) -> None:
    server, names = stage.servers.get("plain"), Names.fresh()
    stage.one.script(names, {"AAAA": Twice(nodata()), "A": Twice(a(".33"))})
    with opened("udp", V4, server.port, wait_s=0.4) as connection:
        connection.send(Query().to_wire(names))
        assert connection.receive() is not None
        assert connection.receive() is None
