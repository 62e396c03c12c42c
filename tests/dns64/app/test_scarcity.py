"""What somebody else holds already, files that run out, clients that are gone, and little time."""

import asyncio
import contextlib
import resource
import signal
import socket
import struct
from pathlib import Path

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from tests.dns64.app.running import running
from tests.dns64.transport.fake import fake_upstream, reply_to


async def test_connections_leave_files_for_the_questions_to_upstreams(tmp_path: Path) -> None:
    async with fake_upstream() as fake, running(tmp_path, fake.port, files=120) as one:
        assert "few-open-files" in one.log_text()
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(150):
                _, writer = await asyncio.open_connection("127.0.0.1", one.port)
                stack.callback(writer.close)
            for number in range(5):
                assert (await one.ask(f"n{number}.t.example.")).rcode() == dns.rcode.NOERROR
            assert await one.number("tcp_connections") <= 60


async def test_questions_share_the_open_ports_when_no_file_is_left(tmp_path: Path) -> None:
    async with fake_upstream() as fake, running(tmp_path, fake.port) as one:
        assert (await one.ask("first.t.example.")).rcode() == dns.rcode.NOERROR
        limits = resource.prlimit(one.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(one.process.pid, resource.RLIMIT_NOFILE, (3, limits[1]))
        for number in range(5):
            assert (await one.ask(f"n{number}.t.example.")).rcode() == dns.rcode.NOERROR
        resource.prlimit(one.process.pid, resource.RLIMIT_NOFILE, limits)


async def test_clients_that_reset_before_they_are_accepted_leave_no_trace(tmp_path: Path) -> None:
    wire = dns.message.make_query("www.t.example.", "AAAA").to_wire()
    async with fake_upstream() as fake, running(tmp_path, fake.port) as one:
        one.process.send_signal(signal.SIGSTOP)  # so that all of them are gone when it looks
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", one.port)) as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.sendall(len(wire).to_bytes(2) + wire)
        one.process.send_signal(signal.SIGCONT)
        assert (await one.ask("www.t.example.", tcp=True)).rcode() == dns.rcode.NOERROR
        assert await one.number("tcp_connections") <= 1


def real_aaaa(query: dns.message.Message, transport: str) -> list[bytes]:
    reply = reply_to(query)
    if query.question[0].rdtype == dns.rdatatype.AAAA:
        reply.authority.clear()
        reply.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "AAAA", "2001:db8::5"))
    return [reply.to_wire()]


async def test_the_smallest_budget_leaves_time_for_a_real_aaaa(tmp_path: Path) -> None:
    more = {"[server]": "budget_s = 0.2"}
    async with fake_upstream(real_aaaa) as fake, running(tmp_path, fake.port, more=more) as one:
        reply = await one.ask("www.t.example.", tcp=True)
        assert reply.answer[0][0].to_text() == "2001:db8::5"
