"""An upstream under a test's control: UDP and TCP on one port of loopback, answering as a function says."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import dns.flags
import dns.message
import dns.rdatatype
import dns.rrset

from kun_dns64.config.endpoint import Endpoint, Scheme, UpstreamAddress
from tests.ports import free_port

# A query (dnspython) and "udp" or "tcp"; the packets to send back, in order.
Script = Callable[[dns.message.Message, str], list[bytes]]
ADDRESS = "192.0.2.33"


def reply_to(query: dns.message.Message, address: str = ADDRESS, ttl: int = 300) -> dns.message.Message:
    """An A record for A, NODATA with a SOA for all else."""
    reply = dns.message.make_response(query, recursion_available=True)
    name, rdtype = query.question[0].name, query.question[0].rdtype
    if rdtype == dns.rdatatype.A:
        reply.answer.append(dns.rrset.from_text(name, ttl, "IN", "A", address))
    else:
        soa = "ns.t.example. h.t.example. 1 3600 600 86400 300"
        reply.authority.append(dns.rrset.from_text("t.example.", ttl, "IN", "SOA", soa))
    return reply


def good(query: dns.message.Message, transport: str) -> list[bytes]:
    return [reply_to(query).to_wire()]


@dataclass
class Seen:
    wire: bytes
    transport: str
    port: int


@dataclass
class FakeUpstream:
    """`seen` is every query in order. `script` may be replaced at any time."""

    script: Script
    port: int = 0
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0
    # At once.
    open_connections: int = 0
    most_connections: int = 0
    # Seconds until a datagram is answered.
    delay_s: Callable[[dns.message.Message], float] | None = None
    # Closes a TCP connection after so many answers; 0: never.
    close_after: int = 0

    def address(self, scheme: Scheme = Scheme.UDP) -> UpstreamAddress:
        return UpstreamAddress(scheme, Endpoint.parse(f"127.0.0.1:{self.port}"))

    def asked(self, transport: str = "udp") -> int:
        return sum(one.transport == transport for one in self.seen)

    def answers(self, wire: bytes, transport: str, port: int) -> list[bytes]:
        self.seen.append(Seen(wire, transport, port))
        return self.script(dns.message.from_wire(wire), transport)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, fake: FakeUpstream) -> None:
        self._fake = fake

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        delay_s = self._fake.delay_s(dns.message.from_wire(data)) if self._fake.delay_s is not None else 0.0
        for wire in self._fake.answers(data, "udp", addr[1]):
            if delay_s:
                asyncio.get_running_loop().call_later(delay_s, self._transport.sendto, wire, addr)
            else:
                self._transport.sendto(wire, addr)


async def _stream(fake: FakeUpstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    fake.connections += 1
    fake.open_connections += 1
    fake.most_connections = max(fake.most_connections, fake.open_connections)
    answered = 0
    try:
        while True:
            size = int.from_bytes(await reader.readexactly(2))
            wire = await reader.readexactly(size)
            for answer in fake.answers(wire, "tcp", writer.get_extra_info("peername")[1]):
                writer.write(len(answer).to_bytes(2) + answer)
            answered += 1
            if answered == fake.close_after:
                break
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        fake.open_connections -= 1
        writer.close()


@asynccontextmanager
async def fake_upstream(
    script: Script = good, *, tcp: bool = True, udp: bool = True, port: int = 0
) -> AsyncIterator[FakeUpstream]:
    fake = FakeUpstream(script)
    fake.port = port or free_port()
    loop = asyncio.get_running_loop()
    datagrams = server = None
    if udp:
        where = ("127.0.0.1", fake.port)
        datagrams, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(fake), local_addr=where)
    if tcp:
        server = await asyncio.start_server(lambda r, w: _stream(fake, r, w), "127.0.0.1", fake.port)
    try:
        yield fake
    finally:
        if datagrams is not None:
            datagrams.close()
        if server is not None:
            server.close()
        # Transports close in later turns of the loop.
        await asyncio.sleep(0.02)
