"""Listeners over real sockets, before a front that answers as a test says."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address

import pytest

from kun_dns64.config.endpoint import Endpoint
from kun_dns64.fastpath.selection import choose_parts
from kun_dns64.model.message import Source, Transport
from kun_dns64.transport import sockets
from kun_dns64.transport.activation import dealt
from kun_dns64.transport.connections import Connections, StreamLimits
from kun_dns64.transport.query_handler import Send
from kun_dns64.transport.sockets import ListenError, Listening, bind_all, bind_sets
from kun_dns64.transport.tcp_server import StreamServing
from kun_dns64.transport.udp_server import UdpServing
from tests.ports import free_port

HEADER = bytes(12)
PATIENT_S = 5.0
BUDGET_S = 1.8


class Front:
    """Answers at once with the query's own bytes, or holds them until told."""

    def __init__(self, *, quick: bool = False) -> None:
        self.is_quick, self.holding = quick, False
        self.held: list[tuple[bytes, Send]] = []
        self.holds = asyncio.Semaphore(0)
        self.sources: list[Source] = []
        self.answer: Callable[[bytes], bytes | None] = lambda wire: wire

    def quick(self, wire: bytes, source: Source) -> bytes | None:
        return self.answer(wire) if self.is_quick else None

    def handle_datagram(self, wire: bytes, source: Source, send: Send) -> None:
        self.handle(wire, source, Transport.UDP, send)

    def handle(self, wire: bytes, source: Source, transport: Transport, send: Send) -> None:
        self.sources.append(source)
        if self.holding:
            self.held.append((wire, send))
            self.holds.release()
        else:
            send(self.answer(wire))


@asynccontextmanager
async def listening(
    front: Front, address: str, limits: StreamLimits | None = None
) -> AsyncIterator[tuple[int, Connections]]:
    (bound,) = bind_all([Endpoint(ip_address(address), 0)])
    connections = Connections(limits or StreamLimits(10, 100, 100, BUDGET_S))
    assert bound.udp is not None
    udp, tcp = (
        UdpServing(front, bound.endpoint, bound.udp, choose_parts().batch),
        StreamServing(front, connections, bound.tcp),
    )
    await tcp.start()
    await udp.start()
    try:
        yield bound.endpoint.port, connections
    finally:
        udp.close()
        tcp.close()
        connections.close_all()
        await asyncio.sleep(0.01)


def frame(message: bytes) -> bytes:
    return struct.pack("!H", len(message)) + message


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(PATIENT_S):
        (size,) = struct.unpack("!H", await reader.readexactly(2))
        return await reader.readexactly(size)


async def closed(reader: asyncio.StreamReader, within_s: float = PATIENT_S) -> bool:
    try:
        async with asyncio.timeout(within_s):
            return await reader.read(1) == b""
    except ConnectionError:
        return True
    except TimeoutError:
        return False


class _First(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.got: asyncio.Future[tuple[bytes, str]] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if not self.got.done():
            self.got.set_result((data, addr[0]))


async def exchange(source: str, target: tuple[str, int], wire: bytes) -> tuple[bytes, str]:
    """The reply and the address it came from."""
    loop = asyncio.get_running_loop()
    transport, first = await loop.create_datagram_endpoint(_First, local_addr=(source, 0))
    try:
        transport.sendto(wire, target)
        async with asyncio.timeout(PATIENT_S):
            return await first.got
    finally:
        transport.close()


@pytest.mark.parametrize("quick", [True, False], ids=["from-memory", "worked-out"])
@pytest.mark.parametrize(
    ("bind", "family", "target"),
    [
        ("127.0.0.1", socket.AF_INET, "127.0.0.1"),
        ("::1", socket.AF_INET6, "::1"),
        ("0.0.0.0", socket.AF_INET, "127.0.0.1"),
        ("0.0.0.0", socket.AF_INET, "127.77.0.9"),
        ("::", socket.AF_INET6, "::1"),
    ],
)
async def test_a_udp_reply_leaves_from_the_address_that_was_asked(
    bind: str, family: int, target: str, quick: bool
) -> None:
    async with listening(Front(quick=quick), bind) as (port, _):
        source = "127.0.0.1" if family == socket.AF_INET else "::1"
        assert await exchange(source, (target, port), b"question") == (b"question", target)


async def test_wildcard_listeners_of_both_families_share_a_port() -> None:
    four, six = bind_all([Endpoint(ip_address("0.0.0.0"), 0)]), None
    try:
        six = bind_all([Endpoint(ip_address("::"), four[0].endpoint.port)])
        assert six[0].endpoint.port == four[0].endpoint.port
    finally:
        for bound in [*four, *(six or [])]:
            bound.close()


async def test_every_set_of_sockets_has_the_same_ports() -> None:
    sets = bind_sets([Endpoint(ip_address("127.0.0.1"), 0)], [Endpoint(ip_address("127.0.0.1"), 0)], 3)
    assert len({tuple(str(s.endpoint) for s in own) for own in sets}) == 1
    for bound in (one for own in sets for one in own):
        bound.close()


async def test_an_address_that_cannot_be_bound_is_told() -> None:
    with pytest.raises(ListenError, match=r"192\.0\.2\.1:0 \(UDP\)"):
        bind_all([Endpoint(ip_address("192.0.2.1"), 0)])


async def test_queued_datagrams_are_answered_after_new_ones_went_elsewhere() -> None:
    endpoint = Endpoint(ip_address("127.0.0.1"), 0)
    (old,) = bind_all([endpoint])
    (new,) = bind_all([old.endpoint])
    assert old.udp is not None
    assert new.udp is not None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.bind(("127.0.0.1", 0))
        for _ in range(50):
            client.sendto(b"before", ("127.0.0.1", old.endpoint.port))
        sockets.leave_group(old.udp)
        for _ in range(50):
            client.sendto(b"after", ("127.0.0.1", old.endpoint.port))
    received = {old.udp: [b""], new.udp: [b""]}
    for sock, got in received.items():
        while True:
            try:
                got.append(sock.recv(100))
            except BlockingIOError:
                break
    assert b"after" not in received[old.udp]
    assert received[new.udp].count(b"after") == 50
    assert received[old.udp].count(b"before") + received[new.udp].count(b"before") == 50
    old.close()
    new.close()


def handed_over(*kinds: tuple[int, str]) -> list[Listening]:
    adopted: list[tuple[socket.socket, str]] = []
    port = free_port()
    try:
        for kind, name in kinds:
            adopted.append((socket.socket(socket.AF_INET, kind), name))
            adopted[-1][0].bind(("127.0.0.1", port))
        return dealt(adopted, 1)[0]
    except (ListenError, OSError):
        for sock, _ in adopted:
            sock.close()
        raise


def test_sockets_from_systemd_are_paired_by_address() -> None:
    (one,) = handed_over((socket.SOCK_DGRAM, "dns"), (socket.SOCK_STREAM, "dns"))
    assert one.udp is not None
    assert one.udp.getsockname() == one.tcp.getsockname()
    one.close()


def test_a_stream_socket_named_tls_speaks_tls() -> None:
    (one,) = handed_over((socket.SOCK_STREAM, "tls"))
    assert one.tls
    one.close()


def test_a_datagram_socket_alone_is_refused() -> None:
    with pytest.raises(ListenError, match="RFC 7766"):
        handed_over((socket.SOCK_DGRAM, "dns"))


def test_a_unix_socket_is_refused() -> None:
    with socket.socket(socket.AF_UNIX) as sock, pytest.raises(ListenError, match="AF_UNIX"):
        dealt([(sock, "dns")], 1)


async def test_pipelined_queries_are_answered_as_they_get_ready() -> None:
    front = Front()
    front.holding = True
    async with listening(front, "127.0.0.1") as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(frame(HEADER + b"one") + frame(HEADER + b"two"))
        await front.holds.acquire()
        await front.holds.acquire()
        for wire, send in reversed(front.held):
            send(wire)
        assert [await read_frame(reader), await read_frame(reader)] == [HEADER + b"two", HEADER + b"one"]
        writer.close()


async def test_a_query_may_arrive_byte_by_byte() -> None:
    async with listening(Front(), "127.0.0.1") as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for byte in frame(HEADER + b"slow"):
            writer.write(bytes((byte,)))
            await asyncio.sleep(0.001)
        assert await read_frame(reader) == HEADER + b"slow"
        writer.close()


async def test_length_and_message_come_in_one_segment() -> None:
    async with listening(Front(), "127.0.0.1") as (port, _):
        loop = asyncio.get_running_loop()
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.setblocking(False)
            await loop.sock_sendall(sock, frame(HEADER))
            assert len(await loop.sock_recv(sock, 100)) == 2 + len(HEADER)


@pytest.mark.parametrize("size", [0, 1, 11])
async def test_a_frame_too_short_for_a_header_ends_the_connection(size: int) -> None:
    async with listening(Front(), "127.0.0.1") as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(frame(bytes(size)))
        assert await closed(reader)
        writer.close()


async def test_a_half_closed_connection_still_gets_its_answers() -> None:
    front = Front()
    front.holding = True
    async with listening(front, "127.0.0.1") as (port, connections):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(frame(HEADER + b"last"))
        writer.write_eof()
        await front.holds.acquire()
        front.held[0][1](front.held[0][0])
        assert await read_frame(reader) == HEADER + b"last"
        assert await closed(reader)
        writer.close()
        await asyncio.sleep(0.05)
        assert len(connections) == 0


async def test_no_answer_is_no_answer_and_the_connection_goes_on() -> None:
    front = Front()
    front.answer = lambda wire: None if wire.endswith(b"drop") else wire
    async with listening(front, "127.0.0.1") as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(frame(HEADER + b"drop") + frame(HEADER + b"keep"))
        assert await read_frame(reader) == HEADER + b"keep"
        writer.close()


async def test_an_idle_connection_and_a_slow_writer_are_closed_and_a_busy_one_is_not() -> None:
    limits = StreamLimits(0.5, 100, 100, BUDGET_S)
    async with listening(Front(), "127.0.0.1", limits) as (port, connections):
        idle, idle_writer = await asyncio.open_connection("127.0.0.1", port)
        slow, slow_writer = await asyncio.open_connection("127.0.0.1", port)
        busy, busy_writer = await asyncio.open_connection("127.0.0.1", port)
        loop = asyncio.get_running_loop()
        for _ in range(8):
            if not slow_writer.is_closing():
                slow_writer.write(b"\x00")
            busy_writer.write(frame(HEADER))
            await read_frame(busy)
            await asyncio.sleep(0.1)
            connections.close_idle(loop.time())
        assert await closed(idle)
        assert await closed(slow)
        busy_writer.write(frame(HEADER))
        assert await read_frame(busy) == HEADER
        for writer in (idle_writer, slow_writer, busy_writer):
            writer.close()


async def test_beyond_the_clients_limit_its_connection_idle_longest_goes() -> None:
    async with listening(Front(), "127.0.0.1", StreamLimits(10, 100, 2, BUDGET_S)) as (port, connections):
        first, first_writer = await asyncio.open_connection("127.0.0.1", port)
        second, second_writer = await asyncio.open_connection("127.0.0.1", port)
        first_writer.write(frame(HEADER))
        await read_frame(first)
        _, third_writer = await asyncio.open_connection("127.0.0.1", port)
        assert await closed(second)
        first_writer.write(frame(HEADER))
        assert await read_frame(first) == HEADER
        assert connections.closed_for_limit == 1
        for writer in (first_writer, second_writer, third_writer):
            writer.close()


async def test_ten_thousand_idle_connections_are_bounded_and_others_are_served() -> None:
    async with listening(Front(), "127.0.0.1", StreamLimits(10, 50, 50, BUDGET_S)) as (port, connections):
        writers = []
        for _ in range(300):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writers.append(writer)
        assert len(connections) <= 51
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(frame(HEADER))
        assert await read_frame(reader) == HEADER
        for one in [*writers, writer]:
            one.close()


async def test_a_client_that_does_not_read_is_not_read_from_either() -> None:
    front = Front()
    large = HEADER + bytes(60_000)
    front.answer = lambda wire: large
    async with listening(front, "127.0.0.1") as (port, _):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(frame(HEADER) * 2000)
        await asyncio.sleep(0.5)
        taken = len(front.sources)
        await asyncio.sleep(0.3)
        assert taken == len(front.sources) < 2000
        reader, other = await asyncio.open_connection("127.0.0.1", port)
        other.write(frame(HEADER))
        assert await read_frame(reader) == large
        other.close()
        writer.transport.abort()


async def test_little_is_made_for_a_client_that_does_not_read() -> None:
    """Here and in the kernel, which by itself keeps 4 MB of each connection."""
    front = Front()
    large = HEADER + bytes(10_000)
    front.answer = lambda wire: large
    async with listening(front, "127.0.0.1") as (port, _):
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(sock, ("127.0.0.1", port))
            await loop.sock_sendall(sock, frame(HEADER) * 1000)
            taken = -1
            while taken < len(front.sources):
                taken = len(front.sources)
                await asyncio.sleep(0.3)
            assert taken * len(large) < 1_000_000
