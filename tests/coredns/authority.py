"""A small authoritative server for tests: names from a table, UDP and TCP on one port, and a list of what was asked."""

import asyncio
import socket
import threading

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from tests.ports import free_port

SOA = "example.org. 300 IN SOA ns.example.org. hostmaster.example.org. 1 7200 1800 86400 60"
UDP_LIMIT = 512
Question = tuple[str, str]

ZONE = {
    "v4only.example.org.": {"A": ["192.0.2.33"]},
    "dual.example.org.": {"A": ["192.0.2.34"], "AAAA": ["2001:db8::34"]},
    "crowd.example.org.": {"A": [f"192.0.2.{host}" for host in range(100, 180)]},
    "alias.example.org.": {"CNAME": ["v4only.example.org."]},
    "plain.example.org.": {"TXT": ['"no address at all"']},
} | {f"fresh{number}.example.org.": {"A": ["192.0.2.40"]} for number in range(20)}


def answer_to(query: dns.message.Message) -> dns.message.Message:
    reply = dns.message.make_response(query)
    reply.flags |= dns.flags.AA | dns.flags.RA
    question = query.question[0]
    name, kind = question.name.to_text().lower(), dns.rdatatype.to_text(question.rdtype)
    records = ZONE.get(name)
    if records is None:
        reply.set_rcode(dns.rcode.NXDOMAIN)
    elif "CNAME" in records and kind != "CNAME":
        reply.answer.append(dns.rrset.from_text(question.name, 300, "IN", "CNAME", *records["CNAME"]))
        name = records["CNAME"][0]
        records = ZONE[name]
    if records is not None and kind in records:
        reply.answer.append(dns.rrset.from_text(name, 300, "IN", kind, *records[kind]))
    else:
        owner, *rest = SOA.split(maxsplit=4)
        reply.authority.append(dns.rrset.from_text(owner, 300, "IN", "SOA", rest[-1]))
    return reply


class Authority:
    """Runs in a thread of its own between `start` and `stop`. `asked` holds (name, type) in order of arrival."""

    def __init__(self) -> None:
        self.asked: list[Question] = []
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> None:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _listen(self) -> None:
        authority = self

        class Datagrams(asyncio.DatagramProtocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                self.transport = transport

            def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
                reply = authority.reply(data, UDP_LIMIT)
                self.transport.sendto(reply, addr)  # type: ignore[attr-defined]

        here = ("127.0.0.1", free_port())
        self.port = here[1]
        self._streams = await asyncio.start_server(self._stream, *here)
        self._datagrams, _ = await self._loop.create_datagram_endpoint(Datagrams, here, family=socket.AF_INET)

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                length = int.from_bytes(await reader.readexactly(2), "big")
                reply = self.reply(await reader.readexactly(length), 65535)
                writer.write(len(reply).to_bytes(2, "big") + reply)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _close(self) -> None:
        self._datagrams.close()
        self._streams.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)

    def reply(self, data: bytes, limit: int) -> bytes:
        query = dns.message.from_wire(data)
        question = query.question[0]
        self.asked.append((question.name.to_text().lower(), dns.rdatatype.to_text(question.rdtype)))
        wire = answer_to(query).to_wire(max_size=65535)
        if len(wire) <= limit:
            return wire
        short = dns.message.make_response(query)
        short.flags |= dns.flags.TC | dns.flags.RA
        return short.to_wire()
