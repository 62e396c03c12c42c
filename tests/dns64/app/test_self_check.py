"""Readiness is what a client would find: each listening socket is asked a question that nobody else can ask."""

import asyncio
import ctypes
import json
import os
import signal
import socket
from contextlib import suppress
from pathlib import Path

import dns.message
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun_base.journal import Journal
from kun_dns64.config.endpoint import Endpoint
from kun_dns64.control.self_check import FAILURES, SelfCheck, reachable
from kun_dns64.formats.self_check import answer, mark_of, question, who_answered
from kun_dns64.transport.sockets import Listening, bind_all
from tests.dns64.app.running import Running, eventually, running
from tests.dns64.transport.fake import fake_upstream

PIDFD_GETFD = 438
SECRET = bytes(range(16))
MARK = mark_of(SECRET)


@given(st.integers(0, 65535), st.binary(min_size=1, max_size=20), st.binary(max_size=40))
def test_the_question_is_a_dns_message_and_its_answer_says_who(ident: int, label: bytes, who: bytes) -> None:
    asked = question(MARK, ident, label)
    said = answer(asked, who)
    assert who_answered(asked, said) == who
    query, reply = dns.message.from_wire(asked), dns.message.from_wire(said)
    assert query.is_response(reply)
    assert reply.answer[0].rdtype == dns.rdatatype.TXT
    assert asked.endswith(MARK)
    assert not question(mark_of(bytes(16)), ident, label).endswith(MARK), "another server's is none of ours"


@given(st.binary(max_size=120))
def test_nothing_else_is_an_answer(wire: bytes) -> None:
    assert who_answered(question(MARK, 7, b"a"), wire) is None


@pytest.mark.parametrize(
    ("listen", "asked"),
    [("0.0.0.0:5353", "127.0.0.1:5353"), ("[::]:5353", "[::1]:5353"), ("192.0.2.9:5353", "None")],
)
def test_a_wildcard_is_asked_by_loopback_and_what_is_not_there_is_not_asked(listen: str, asked: str) -> None:
    assert str(reachable(Endpoint.parse(listen))) == asked


class Answering(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.transport.sendto(answer(data, b"1"), addr)  # type: ignore[attr-defined]


async def test_what_does_not_answer_three_times_in_a_row_does_not_serve(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Listening sockets that nobody reads; then somebody reads the datagrams."""
    monkeypatch.setattr("kun_dns64.control.self_check.EVERY_S", 0.0)
    monkeypatch.setattr("kun_dns64.control.self_check.ANSWER_S", 0.1)
    bound = bind_all([Endpoint.parse("127.0.0.1:0")])
    check, (one,) = SelfCheck(Journal("test")), bound
    for times in range(FAILURES):
        assert (check.silent == ()) == (times < FAILURES)
        await check.run(bound, 2, [{"pid": 1, "queries": 5}], SECRET)
    names = (f"tcp {one.endpoint}", f"udp {one.endpoint} worker 0", f"udp {one.endpoint} worker 1")
    assert check.silent == names
    assert "worker 1" in capsys.readouterr().err
    await drained(one)
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Answering, sock=one.udp)
    await check.run(bound, 2, [{"pid": 1, "queries": 5}], SECRET)
    assert check.silent == names[:1]
    await check.run(bound, 2, [{"pid": 1, "queries": 6}], SECRET)
    assert check.silent == (), "it takes queries, and may lose ours under a flood"
    transport.close()
    one.tcp.close()
    await asyncio.sleep(0.01)


async def drained(one: Listening) -> None:
    assert one.udp is not None
    with suppress(BlockingIOError):
        while True:
            one.udp.recv(4096)


async def readiness(one: Running) -> tuple[int, dict[str, object]]:
    status, body = await one.page("/readyz")
    return status, json.loads(body)


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_server_that_serves_is_ready_and_its_own_questions_are_not_counted(
    tmp_path: Path, workers: int
) -> None:
    async with fake_upstream() as upstream, running(tmp_path, upstream.port, workers=workers) as one:
        for _ in range(3):
            status, told = await readiness(one)
            assert (status, told["answer"], told["silent"], told["forward"]) == (200, True, [], True)
            await asyncio.sleep(1.1)
        assert await one.number("queries_total") == 0


def sockets_of(pid: int, port: int) -> list[socket.socket]:
    """The datagram sockets of that port which the process holds."""
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = os.pidfd_open(pid)
    found = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        fd = libc.syscall(PIDFD_GETFD, pidfd, int(name), 0)
        if fd < 0:
            continue
        try:
            sock = socket.socket(fileno=fd)
        except OSError:
            os.close(fd)
            continue
        if sock.type == socket.SOCK_DGRAM and sock.family == socket.AF_INET and sock.getsockname()[1] == port:
            found.append(sock)
        else:
            sock.close()
    os.close(pidfd)
    return found


@pytest.mark.parametrize("workers", [1, 2])
async def test_sockets_that_hear_nothing_any_more_are_not_ready(tmp_path: Path, workers: int) -> None:
    """As those of replaced workers were, connected elsewhere, while readiness said 200."""
    async with fake_upstream() as upstream, running(tmp_path, upstream.port, workers=workers) as one:
        assert (await readiness(one))[0] == 200
        pids = [worker["pid"] for worker in (await one.status())["workers"]]
        sockets = [sock for pid in pids for sock in sockets_of(pid, one.port)]
        if not sockets:
            pytest.skip("needs pidfd_getfd(2) for a child: kernel.yama.ptrace_scope below 2")
        for sock in sockets:
            with sock:
                sock.connect(("127.0.0.1", 9))

        async def not_ready() -> bool:
            status, told = await readiness(one)
            return status == 503 and f"udp 127.0.0.1:{one.port}" in str(told["silent"])

        await eventually(not_ready)


async def test_a_worker_that_stands_still_does_not_hold_up_readiness(tmp_path: Path) -> None:
    async with fake_upstream() as upstream, running(tmp_path, upstream.port, workers=2, calm=False) as one:
        assert (await readiness(one))[0] == 200
        stopped = (await one.status())["workers"][0]["pid"]
        os.kill(stopped, signal.SIGSTOP)
        loop = asyncio.get_running_loop()
        end = loop.time() + 4
        while loop.time() < end:
            began = loop.time()
            assert (await readiness(one))[0] == 200
            assert loop.time() - began < 2
            await asyncio.sleep(0.5)
        os.kill(stopped, signal.SIGKILL)
