"""A forwarder that opens a connection for each question is answered on each (CoreDNS with force_tcp)."""

import asyncio
import socket
import threading
from pathlib import Path

import dns.message
import dns.rcode

from tests.dns64.app.running import running
from tests.dns64.hardening.cost import query
from tests.dns64.hardening.quick_upstream import quick_upstream

CONNECTIONS = 150


async def test_none_of_150_connections_is_closed_unanswered(tmp_path: Path) -> None:
    held = threading.Event()
    with quick_upstream(held=held) as upstream:
        async with running(tmp_path, upstream.port) as one:

            def asking(number: int) -> socket.socket:
                """A connection whose question follows at once, however busy this machine is."""
                wire = query(f"n{number}.t.example.", "A")
                sock = socket.create_connection(("127.0.0.1", one.port))
                sock.sendall(len(wire).to_bytes(2) + wire)
                return sock

            async def answer(sock: socket.socket) -> dns.message.Message:
                reader, writer = await asyncio.open_connection(sock=sock)
                size = int.from_bytes(await reader.readexactly(2))
                reply = dns.message.from_wire(await reader.readexactly(size))
                writer.close()
                return reply

            tasks = [asyncio.create_task(answer(asking(number))) for number in range(CONNECTIONS)]
            await asyncio.sleep(0.5)
            held.set()
            replies = await asyncio.gather(*tasks)
            assert {reply.rcode() for reply in replies} == {dns.rcode.NOERROR}
