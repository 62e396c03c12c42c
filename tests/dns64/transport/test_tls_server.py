"""DNS over TLS: a connection counts from its accept on, has its time for the handshake, and is told of its end."""

import asyncio
import resource
import socket
import ssl

import pytest

from kun_dns64.transport.connections import StreamLimits
from tests.dns64.transport.clients import (
    UNREAD,
    eventually,
    is_held,
    serving,
    unread_front,
)
from tests.dns64.transport.conftest import Certificate
from tests.dns64.transport.test_listeners import BUDGET_S, HEADER, Front, closed, frame, read_frame


def trusting(certificate: Certificate) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificate.file)


async def by_tls(
    port: int, certificate: Certificate, sock: socket.socket | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Over `sock` if it is given, which is connected."""
    more = {"sock": sock} if sock else {"host": "127.0.0.1", "port": port}
    return await asyncio.open_connection(ssl=trusting(certificate), server_hostname="dns.example", **more)


async def test_connections_count_before_their_handshake(certificate: Certificate) -> None:
    front = Front()
    async with serving(front, StreamLimits(10, 20, 10, BUDGET_S), certificate.context) as (port, connections):
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(40)]
        await eventually(lambda: connections.closed_for_limit == 30)
        assert len(connections) == 10
        await eventually(lambda: sum(map(is_held, silent)) == 10)
        assert [is_held(one) for one in silent] == [False] * 30 + [True] * 10
        reader, writer = await by_tls(port, certificate)
        writer.write(frame(HEADER))
        assert await read_frame(reader) == HEADER
        assert len(connections) == 10
        assert connections.closed_for_limit == 31
        writer.close()
        for one in silent:
            one.close()
        await eventually(lambda: len(connections) == 0)


async def test_silent_handshakes_leave_the_connections_of_others_alone(certificate: Certificate) -> None:
    front = Front()
    async with serving(front, StreamLimits(10, 100, 4, BUDGET_S), certificate.context) as (port, connections):
        reader, writer = await by_tls(port, certificate)
        silent = [socket.socket() for _ in range(20)]
        for one in silent:
            one.bind(("127.0.0.2", 0))
            one.connect(("127.0.0.1", port))
        await eventually(lambda: connections.closed_for_limit == 16)
        writer.write(frame(HEADER))
        assert await read_frame(reader) == HEADER
        writer.close()
        for one in silent:
            one.close()


async def test_a_handshake_has_its_time(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kun_dns64.transport.tls_server.HANDSHAKE_S", 0.2)
    async with serving(Front(), StreamLimits(10, 20, 10, BUDGET_S), certificate.context) as (port, connections):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await eventually(lambda: len(connections) == 1)
        assert await closed(reader)
        await eventually(lambda: len(connections) == 0)
        writer.close()


async def test_who_does_not_speak_tls_is_counted_no_more(certificate: Certificate) -> None:
    async with serving(Front(), StreamLimits(10, 20, 10, BUDGET_S), certificate.context) as (port, connections):
        for noise in (b"", frame(HEADER), b"\x16\x03\x01\xff\xff" + bytes(50)):
            with socket.create_connection(("127.0.0.1", port)) as sock:
                await eventually(lambda: len(connections) == 1)
                sock.sendall(noise)
            await eventually(lambda: len(connections) == 0)


async def test_a_client_of_tls_that_does_not_read_goes_when_it_is_idle(certificate: Certificate) -> None:
    front = unread_front()
    async with serving(front, StreamLimits(10, 100, 100, BUDGET_S), certificate.context) as (port, connections):
        with socket.socket() as plain:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            await asyncio.to_thread(plain.connect, ("127.0.0.1", port))
            wrap = trusting(certificate).wrap_socket
            with await asyncio.to_thread(wrap, plain, server_hostname="dns.example") as slow:
                await asyncio.to_thread(slow.sendall, frame(HEADER) * UNREAD)
                await eventually(lambda: len(front.sources) == UNREAD)
                connections.close_idle(asyncio.get_running_loop().time() + 11)
                assert len(connections) == 0
                await eventually(lambda: not is_held(slow))


async def test_rfc8446_6_1_an_idle_client_of_tls_is_told_that_it_is_over(certificate: Certificate) -> None:
    async with serving(Front(), StreamLimits(10, 100, 100, BUDGET_S), certificate.context) as (port, connections):
        with socket.create_connection(("127.0.0.1", port)) as plain:
            wrap = trusting(certificate).wrap_socket
            options = {"server_hostname": "dns.example", "suppress_ragged_eofs": False}
            with await asyncio.to_thread(wrap, plain, **options) as idle:
                await eventually(lambda: len(connections) == 1)
                connections.close_idle(asyncio.get_running_loop().time() + 11)
                # Without a close_notify this raises SSLEOFError.
                assert await asyncio.to_thread(idle.recv, 1) == b""
                await eventually(lambda: not is_held(idle))


async def test_a_lack_of_descriptors_passes(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kun_dns64.transport.tls_server.ACCEPT_PAUSE_S", 0.1)
    front = Front()
    async with serving(front, StreamLimits(10, 100, 100, BUDGET_S), certificate.context) as (port, connections):
        # What else takes descriptors, imports too, has taken them.
        (await by_tls(port, certificate))[1].close()
        await eventually(lambda: len(connections) == 0)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        sock = socket.socket()
        sock.setblocking(False)
        resource.setrlimit(resource.RLIMIT_NOFILE, (sock.fileno() + 1, hard))
        try:
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
            await asyncio.sleep(0.05)
            assert len(connections) == 0
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        reader, writer = await by_tls(port, certificate, sock)
        writer.write(frame(HEADER))
        assert await read_frame(reader) == HEADER
        writer.close()


async def test_a_stop_ends_handshakes(certificate: Certificate) -> None:
    async with serving(Front(), StreamLimits(10, 100, 100, BUDGET_S), certificate.context) as (port, connections):
        with socket.create_connection(("127.0.0.1", port)) as silent:
            await eventually(lambda: len(connections) == 1)
            connections.finish_all()
            await eventually(lambda: not is_held(silent))
            assert len(connections) == 0
