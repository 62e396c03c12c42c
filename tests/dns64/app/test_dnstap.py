"""dnstap of a running server, read by the field's own programs."""

import asyncio
import shutil
import socket
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import dns.asyncquery
import dns.message
import pytest

from kun_dns64.formats.dnstap import CONTENT_TYPE, ControlFrame, control_frame
from tests.dns64.app.running import Running, eventually, running
from tests.dns64.transport.fake import fake_upstream

READER, CAPTURE = shutil.which("dnstap-ldns"), shutil.which("fstrm_capture")
needs_reader = pytest.mark.skipif(READER is None, reason="needs dnstap-ldns (Debian package dnstap-ldns)")
needs_capture = pytest.mark.skipif(CAPTURE is None, reason="needs fstrm_capture (Debian package fstrm-bin)")
KINDS = {"CQ": "client-query", "CR": "client-response", "FQ": "forwarder-query", "FR": "forwarder-response"}


def read(path: Path, *flags: str) -> str:
    assert READER is not None
    done = subprocess.run([READER, *flags, "-r", path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def kinds(path: Path) -> Counter[str]:
    return Counter(KINDS[line.split()[2]] for line in read(path, "-q").splitlines())


def to_file(more: str = "") -> dict[str, str]:
    return {"[dnstap]": f'file = "tap"\nidentity = "gw-dns-1"\n{more}'}


@needs_reader
async def test_a_file_tells_of_every_message_also_of_answers_from_memory(tmp_path: Path) -> None:
    async with fake_upstream() as fake, running(tmp_path, fake.port, more=to_file()) as one:
        for _ in range(5):
            await one.addresses("www.t.example.")
        assert (await one.ask("www.t.example.", tcp=True)).answer
        assert await one.number("fast_replies_total") >= 3
        assert await one.stop() == 0
    assert kinds(tmp_path / "tap") == Counter(
        {"client-query": 6, "client-response": 6, "forwarder-query": 2, "forwarder-response": 2}
    )


@needs_reader
async def test_messages_carry_who_when_how_and_what(tmp_path: Path) -> None:
    async with fake_upstream() as fake, running(tmp_path, fake.port, more=to_file()) as one:
        await one.addresses("www.t.example.")
        assert await one.stop() == 0
    told = read(tmp_path / "tap", "-y").split("---")
    response = next(part for part in told if "type: CLIENT_RESPONSE" in part)
    times = ("query_time: !!timestamp 20", "response_time: !!timestamp 20")
    who = ('identity: "gw-dns-1"', 'version: "kun-dns64 ', 'query_address: "127.0.0.1"', "socket_protocol: UDP")
    for text in (*who, *times, "2002:c633:6440::c000:221"):
        assert text in response
    asked = next(part for part in told if "type: FORWARDER_QUERY" in part)
    for text in ('response_address: "127.0.0.1"', f"response_port: {fake.port}", "socket_family: INET"):
        assert text in asked


async def test_the_rule_that_decided_is_told_without_edns_too(tmp_path: Path) -> None:
    """In the field for extra data. Answers from memory have it only as EDE, where the client speaks EDNS."""
    async with fake_upstream() as fake, running(tmp_path, fake.port, more=to_file()) as one:
        query = dns.message.make_query("www.t.example.", "AAAA", use_edns=False)
        reply = await dns.asyncquery.udp(query, "127.0.0.1", 4, one.port)
        assert reply.edns == -1
        assert await one.stop() == 0
    assert b"\x1a\x12synthesised-nodata" in (tmp_path / "tap").read_bytes()


@needs_reader
async def test_kinds_can_be_left_out(tmp_path: Path) -> None:
    async with fake_upstream() as fake, running(tmp_path, fake.port, more=to_file("forwarder = false")) as one:
        await one.addresses("www.t.example.")
        assert await one.stop() == 0
    assert set(kinds(tmp_path / "tap")) == {"client-query", "client-response"}


@needs_reader
async def test_every_worker_has_its_own_file(tmp_path: Path) -> None:
    async with fake_upstream() as fake, running(tmp_path, fake.port, workers=2, more=to_file()) as one:
        await asyncio.gather(*(one.addresses(f"n{number}.t.example.") for number in range(40)))
        pids = [worker["pid"] for worker in (await one.status())["workers"]]
        assert await one.stop() == 0
    told = sum((kinds(tmp_path / f"tap.{pid}") for pid in pids if (tmp_path / f"tap.{pid}").exists()), Counter())
    assert (told["client-query"], told["client-response"]) == (40, 40)


@asynccontextmanager
async def captured(at: Path, out: Path) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        str(CAPTURE), "-t", CONTENT_TYPE.decode(), "-u", at, "-w", out, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


@needs_reader
@needs_capture
async def test_a_reader_on_a_socket_may_come_late_and_come_again(tmp_path: Path) -> None:
    at, more = tmp_path / "s", {"[dnstap]": 'socket = "s"'}
    async with fake_upstream() as fake, running(tmp_path, fake.port, more=more) as one:
        await one.addresses("early.t.example.")
        async with captured(at, tmp_path / "first"):
            await one.until("dnstap_messages_total", 6)
        at.unlink(missing_ok=True)
        async with captured(at, tmp_path / "second"):
            await one.addresses("late.t.example.")
            await eventually(lambda: more_than(one, 6))
            assert await one.stop() == 0
    assert kinds(tmp_path / "first")["client-query"] == 1, "what waited for the reader is not lost"
    assert "late.t.example." in read(tmp_path / "second", "-q")


async def more_than(one: Running, messages: int) -> bool:
    return await one.number("dnstap_messages_total") > messages


async def many(one: Running, count: int) -> float:
    """The slowest of so many answers, in seconds."""
    loop, slowest = asyncio.get_running_loop(), 0.0
    query = dns.message.make_query("www.t.example.", "AAAA", use_edns=0)
    for _ in range(count):
        began = loop.time()
        assert (await dns.asyncquery.udp(query, "127.0.0.1", 4, one.port)).answer
        slowest = max(slowest, loop.time() - began)
    return slowest


@asynccontextmanager
async def stuck_reader(path: Path) -> AsyncIterator[None]:
    """Takes one connection, and from it nothing beyond the first words."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.setblocking(False)
        listening.bind(str(path))
        listening.listen()

        async def accept() -> socket.socket:
            taken, _ = await loop.sock_accept(listening)
            await loop.sock_sendall(taken, control_frame(ControlFrame.ACCEPT))
            return taken

        accepting = asyncio.create_task(accept())
        yield
        (await accepting).close()


@asynccontextmanager
async def no_reader(path: Path) -> AsyncIterator[None]:
    yield


@pytest.mark.parametrize("reader", [no_reader, stuck_reader])
async def test_answers_never_wait_for_a_reader_and_what_it_missed_is_counted(
    tmp_path: Path, reader: Callable[[Path], AbstractAsyncContextManager[None]]
) -> None:
    more = {"[dnstap]": 'socket = "s"\nqueue_bytes = 65536'}
    async with reader(tmp_path / "s"), fake_upstream() as fake, running(tmp_path, fake.port, more=more) as one:
        assert await many(one, 2000) < 1
        assert await one.number("dnstap_dropped_total") > 100
        assert (await one.ask("www.t.example.")).answer


@needs_reader
async def test_a_reload_switches_it_on_and_begins_a_new_file_when_the_old_was_moved(tmp_path: Path) -> None:
    async with fake_upstream() as fake, running(tmp_path, fake.port) as one:
        await one.addresses("before.t.example.")
        one.config.write_text(one.config.read_text() + '\n[dnstap]\nfile = "tap"\n')
        one.hang_up()
        await one.until("config_reloads_total", 1)
        await one.addresses("first.t.example.")
        await one.until("dnstap_messages_total", 6)
        (tmp_path / "tap").rename(tmp_path / "tap.1")
        one.hang_up()
        await one.until("config_reloads_total", 2)
        await one.addresses("second.t.example.")
        assert await one.stop() == 0
    old, new = read(tmp_path / "tap.1", "-q"), read(tmp_path / "tap", "-q")
    assert "first.t.example." in old
    assert "second.t.example." not in old
    assert "second.t.example." in new
    assert "before" not in old + new
