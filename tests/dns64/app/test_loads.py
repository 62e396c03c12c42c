"""The whole program under much: idle connections by the ten thousand, reloads of long domain lists."""

import asyncio
import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import dns.message
import pytest

from tests.dns64.app.running import Running, running
from tests.dns64.transport.fake import fake_upstream

MANY, MORE = 10_000, 500
OWN_FILES = 500
MAX_BYTES_EACH = 16_384


@pytest.fixture
def many_files() -> Iterator[None]:
    """Descriptors for MANY connections here; the program takes what it may by itself."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MANY + MORE + OWN_FILES
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"this machine allows {hard} open files, and {wanted} are needed (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted) if soft != resource.RLIM_INFINITY else soft, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def resident(pid: int) -> int:
    """Bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def connect(port: int, count: int) -> list[socket.socket]:
    return [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(count)]


def is_open(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True
    except ConnectionResetError:
        return False


async def ask_on(connection: socket.socket, name: str) -> bytes:
    wire = dns.message.make_query(name, "AAAA", use_edns=0).to_wire()
    connection.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(connection, len(wire).to_bytes(2) + wire)
    return await loop.sock_recv(connection, 4096)


@pytest.mark.usefixtures("many_files")
async def test_ten_thousand_idle_connections_cost_little_and_beyond_them_the_one_idle_longest_goes(
    tmp_path: Path,
) -> None:
    more = {"[server]": f"tcp_max_connections = {MANY}\ntcp_max_per_client = {MANY}\ntcp_idle_s = 600"}
    async with fake_upstream() as fake, running(tmp_path, fake.port, more=more) as one:
        await one.addresses("www.t.example.")
        before = resident(one.process.pid)
        idle = await asyncio.to_thread(connect, one.port, MANY)
        try:
            await one.until("tcp_connections", MANY)
            assert resident(one.process.pid) - before < MANY * MAX_BYTES_EACH
            assert len(await ask_on(idle[0], "www.t.example.")) > 12, "the first is now the last to go"
            # By TCP too, so one idle connection goes.
            await others_are_served(one)
            idle += await asyncio.to_thread(connect, one.port, MORE)
            await one.until("tcp_closed_for_limit_total", MORE)
            await one.until("tcp_connections", MANY)
            assert is_open(idle[0])
            assert [is_open(connection) for connection in idle[1 : MORE + 50]] == [False] * MORE + [True] * 49
            await others_are_served(one)
            assert resident(one.process.pid) - before < (MANY + MORE) * MAX_BYTES_EACH
        finally:
            for connection in idle:
                connection.close()
        await one.until("tcp_connections", 0)


async def test_the_program_takes_all_the_files_it_may_have(tmp_path: Path) -> None:
    async with fake_upstream() as fake, running(tmp_path, fake.port) as one:
        soft, hard = resource.prlimit(one.process.pid, resource.RLIMIT_NOFILE)
        assert soft == hard


async def others_are_served(one: Running) -> None:
    async with asyncio.timeout(2):
        assert await one.addresses("www.t.example.")
        assert (await one.ask("other.t.example.", tcp=True)).answer


async def test_a_long_domain_list_is_read_again_under_load_and_no_answer_waits_for_it(tmp_path: Path) -> None:
    """Two hundred thousand lines: what the loading takes on the side must not show in the answers."""
    lines = [f"d{number}.cdn{number % 977}.example" for number in range(200_000)]
    names = tmp_path / "names.txt"
    names.write_text("\n".join([*lines, "here.example"]))
    more = {"[[pool]]": 'name = "o"\nvip = "203.0.113.129"\ndomain_files = ["names.txt"]'}
    async with fake_upstream() as fake, running(tmp_path, fake.port, more=more) as one:
        assert await one.number("pool_suffixes") == 200_001
        assert await one.addresses("www.here.example.") == ["2002:cb00:7181::c000:221"]
        done, slowest = asyncio.Event(), [0.0]

        async def load(number: int) -> int:
            """The program's own time, and the test's: both share this loop's processor."""
            loop, count = asyncio.get_running_loop(), 0
            while not done.is_set():
                began = loop.time()
                assert await one.addresses(f"www{number}.d7.cdn7.example.") == ["2002:cb00:7181::c000:221"]
                slowest[0] = max(slowest[0], loop.time() - began)
                count += 1
                await asyncio.sleep(0.002)
            return count

        loads = [asyncio.create_task(load(number)) for number in range(3)]
        await asyncio.sleep(0.3)
        names.write_text("\n".join([*lines, "there.example"]))
        await one.until("config_reloads_total", 1)
        await asyncio.sleep(0.2)
        done.set()
        assert min(await asyncio.gather(*loads)) > 20
        assert slowest[0] < 0.5
        assert await one.addresses("www.there.example.") == ["2002:cb00:7181::c000:221"]
        assert await one.addresses("www.here.example.") == ["2002:c633:6440::c000:221"]
