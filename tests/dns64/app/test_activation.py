"""Sockets that systemd opened and keeps: used, shared by workers, and left as they were found."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import dns.asyncquery
import dns.message
import pytest

from tests.dns64.app.running import PREFIX, PROGRAM, Running, toml
from tests.dns64.transport.fake import fake_upstream
from tests.ports import free_port

ANSWER = f"{PREFIX}c000:221"
# What systemd does: sockets at descriptor 3 and up, LISTEN_FDS and LISTEN_PID in the environment.
ACTIVATE = """
import fcntl, os, sys
given = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 100) for fd in sys.argv[1].split(",")]
for place, fd in enumerate(given, 3):
    os.dup2(fd, place)
names = ":".join(["dns"] * len(given))
os.environ |= {"LISTEN_FDS": str(len(given)), "LISTEN_PID": str(os.getpid()), "LISTEN_FDNAMES": names}
os.execv(sys.argv[2], sys.argv[2:])
"""


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def opened(port: int, request: pytest.FixtureRequest) -> Iterator[list[socket.socket]]:
    """As many datagram sockets of the port as the test says, and a stream socket."""
    made = []
    for kind in [socket.SOCK_DGRAM] * request.param + [socket.SOCK_STREAM]:
        sock = socket.socket(socket.AF_INET, kind)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(request.param > 1))
        sock.bind(("127.0.0.1", port))
        made.append(sock)
    made[-1].listen(5)
    yield made
    for sock in made:
        sock.close()


@asynccontextmanager
async def activated(
    folder: Path, upstream: int, opened: list[socket.socket], workers: int, configured: int = 0
) -> AsyncIterator[Running]:
    """`configured`: the port that the file names; 0: that of the sockets."""
    port, admin = opened[0].getsockname()[1], free_port()
    config, log = folder / "c.toml", folder / "log"
    config.write_text(toml(upstream, configured or port, admin, workers, {}))
    fds = [sock.fileno() for sock in opened]
    command = [",".join(map(str, fds)), PROGRAM, "serve", "--config", config]
    with log.open("wb") as stream:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", ACTIVATE, *command, stderr=stream, pass_fds=fds
        )
    one = Running(process, port, admin, config, log)
    try:
        await one.logged("admin listen=")
        yield one
        assert f" ready listen=127.0.0.1:{port} " in one.log_text()
        assert await one.stop() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def answer(port: int, name: str = "www.t.example.", *, tcp: bool = False) -> str:
    ask = dns.asyncquery.tcp if tcp else dns.asyncquery.udp
    return (await ask(dns.message.make_query(name, "AAAA"), "127.0.0.1", 4.0, port)).answer[0][0].to_text()


@pytest.mark.parametrize(("opened", "workers"), [(1, 1), (1, 2), (2, 2)], indirect=["opened"])
async def test_sockets_from_systemd_are_used_and_stay_usable(
    tmp_path: Path, port: int, opened: list[socket.socket], workers: int
) -> None:
    """Also after the program ended and was started again: they are the same sockets."""
    async with fake_upstream() as fake:
        for _ in (1, 2):
            async with activated(tmp_path, fake.port, opened, workers):
                assert await answer(port) == ANSWER
                assert await answer(port, tcp=True) == ANSWER
                many = [answer(port, f"n{number}.t.example.") for number in range(30)]
                assert await asyncio.gather(*many) == [ANSWER] * 30


@pytest.mark.parametrize(("opened", "workers"), [(1, 1), (2, 2)], indirect=["opened"])
async def test_sockets_that_are_not_those_of_the_file_are_told(
    tmp_path: Path, port: int, opened: list[socket.socket], workers: int
) -> None:
    other = free_port()
    async with activated(tmp_path, 1, opened, workers, configured=other) as one:
        assert (await one.status())["listen"] == [f"127.0.0.1:{port}"]
        warned = [line for line in one.log_text().splitlines() if "listen-not-in-force" in line]
        assert len(warned) == 1
        assert f"configured=127.0.0.1:{other} handed_over=127.0.0.1:{port} " in warned[0]


@pytest.mark.parametrize("opened", [2], indirect=True)
async def test_sockets_as_the_file_has_them_are_no_news(tmp_path: Path, opened: list[socket.socket]) -> None:
    async with activated(tmp_path, 1, opened, 2) as one:
        assert "warning" not in one.log_text()


@pytest.mark.parametrize("opened", [2], indirect=True)
async def test_a_datagram_socket_for_each_worker_gives_names_a_home(
    tmp_path: Path, port: int, opened: list[socket.socket]
) -> None:
    async with fake_upstream() as fake, activated(tmp_path, fake.port, opened, 2):
        for number in range(80):
            assert await answer(port, f"n{number % 20}.t.example.") == ANSWER
        # An AAAA and an A for each name, and a few asked again on a busy machine; without homes nearly 80.
        assert 40 <= len(fake.seen) < 50


@pytest.mark.parametrize("opened", [1], indirect=True)
async def test_a_query_that_came_while_nobody_was_there_is_answered_by_the_next(
    tmp_path: Path, port: int, opened: list[socket.socket]
) -> None:
    async with fake_upstream() as fake:
        async with activated(tmp_path, fake.port, opened, 1):
            assert await answer(port) == ANSWER
        waiting = asyncio.create_task(answer(port, "later.t.example."))
        await asyncio.sleep(0.1)
        async with activated(tmp_path, fake.port, opened, 1):
            assert await waiting == ANSWER


@pytest.mark.parametrize("opened", [3], indirect=True)
async def test_more_datagram_sockets_than_workers_are_refused(
    tmp_path: Path, port: int, opened: list[socket.socket]
) -> None:
    """Queries that come to a socket which nobody reads would wait for ever."""
    config = tmp_path / "c.toml"
    config.write_text(toml(1, 2, free_port(), 2, {}))
    fds = [sock.fileno() for sock in opened]
    command = [",".join(map(str, fds)), PROGRAM, "serve", "--config", config]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ACTIVATE, *command, stderr=subprocess.PIPE, pass_fds=fds
    )
    _, told = await process.communicate()
    assert process.returncode == 2
    assert f"127.0.0.1:{port}: 3 datagram sockets for 2 workers" in told.decode()
