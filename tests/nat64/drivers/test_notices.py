import asyncio
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from kun_nat64.drivers import execwatch
from kun_nat64.drivers.execwatch import ExecWatch
from kun_nat64.drivers.kernel_events import Notices
from kun_nat64.model.area import Area

NOBODY = 65534
IP = shutil.which("ip") or ""
UNSHARE = shutil.which("unshare") or ""


async def run(*argv: str) -> int:
    process = await asyncio.create_subprocess_exec(*argv)
    await process.wait()
    await asyncio.sleep(0.1)
    return process.pid


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A program that nobody else runs."""
    path = tmp_path / "kuntest-jool"
    shutil.copy(shutil.which("sleep") or "", path)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return str(path)


@pytest.fixture
def heard() -> list[str]:
    return []


@pytest.fixture
async def watch(program: str, heard: list[str]) -> ExecWatch:
    watching = ExecWatch("kuntest-jool", set(), lambda: heard.append("run"))
    watching.start()
    if not watching.works:
        pytest.skip("this machine gives no fanotify(7), or not the right to use it (root)")
    return watching


async def test_somebody_who_runs_the_program_is_noticed_at_its_start_and_at_its_end(
    watch: ExecWatch, program: str, heard: list[str]
) -> None:
    process = await asyncio.create_subprocess_exec("sh", "-c", f"{program} 1; true")
    await asyncio.sleep(0.5)
    assert heard == ["run"], "before it has done its work"
    await process.wait()
    await asyncio.sleep(0.1)
    assert heard == ["run", "run"], "when its work is done"
    watch.close()


async def test_ends_are_awaited_of_so_many_only_and_then_nothing_is_taken_for_known(
    watch: ExecWatch, program: str, heard: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each takes a descriptor, and those that hang never give it back."""
    monkeypatch.setattr(execwatch, "MOST_AWAITED", 3)
    running = [await asyncio.create_subprocess_exec("sh", "-c", f"{program} 1; true") for _ in range(8)]
    await asyncio.sleep(0.5)
    assert len(watch._running) == 3
    assert not watch.works
    await asyncio.gather(*(each.wait() for each in running))
    await asyncio.sleep(0.1)
    assert watch.works
    watch.close()


async def test_a_closed_watch_awaits_nobodys_end(watch: ExecWatch, program: str, heard: list[str]) -> None:
    process = await asyncio.create_subprocess_exec("sh", "-c", f"{program} 0.6; true")
    await asyncio.sleep(0.3)
    watch.close()
    await process.wait()
    await asyncio.sleep(0.1)
    assert heard == ["run"]


async def test_our_own_children_are_not(watch: ExecWatch, program: str, heard: list[str]) -> None:
    await run(program, "0.2")
    assert heard == []
    watch.close()


async def test_a_process_of_another_network_namespace_is_not(watch: ExecWatch, program: str, heard: list[str]) -> None:
    if not UNSHARE:
        pytest.skip("needs unshare (Debian package util-linux)")
    await run("sh", "-c", f"{UNSHARE} -n {program} 0.2; true")
    assert heard == []
    watch.close()


async def test_a_program_that_is_not_installed_cannot_be_watched() -> None:
    watching = ExecWatch("no-such-program-anywhere", set(), lambda: None)
    watching.start()
    assert not watching.works
    watching.close()


async def test_a_burst_of_notices_is_one_and_waiting_ones_can_be_taken_quietly() -> None:
    heard: list[Area] = []
    notices = Notices(heard.append)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours.setblocking(False)
    notices._sockets[Area.LINKS] = ours
    asyncio.get_running_loop().add_reader(ours.fileno(), notices._read, ours, Area.LINKS)
    for _ in range(3):
        theirs.send(b"changed")
    await asyncio.sleep(0.05)
    assert heard == [Area.LINKS]
    theirs.send(b"changed")
    assert notices.settle() == [Area.LINKS]
    await asyncio.sleep(0.05)
    assert heard == [Area.LINKS]
    notices.close()
    theirs.close()


async def test_the_kernel_lets_us_subscribe_to_links() -> None:
    notices = Notices(lambda area: None)
    notices.start()
    assert notices.covers(Area.LINKS)
    notices.close()
    assert not notices.covers(Area.LINKS)


LISTENER = """
import asyncio, sys
from kun_nat64.drivers.kernel_events import Notices

async def main():
    heard = []
    notices = Notices(heard.append)
    notices.start()
    for name in ("ipv4/ip_forward", "ipv6/conf/all/forwarding", "ipv4/conf/all/rp_filter"):
        heard.clear()
        with open("/proc/sys/net/" + name) as file:
            other = "0" if file.read().strip() == "1" else "1"
        with open("/proc/sys/net/" + name, "w") as file:
            file.write(other)
        await asyncio.sleep(0.2)
        print(name, *heard)
    notices.close()

asyncio.run(main())
"""


async def test_somebody_who_turns_forwarding_off_is_noticed() -> None:
    """In a network namespace of its own: these settings belong to one."""
    if not UNSHARE:
        pytest.skip("needs unshare (Debian package util-linux)")
    argv = (UNSHARE, "-n", sys.executable, "-c", LISTENER)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*argv, stdout=pipe, stderr=pipe)
    said, complaint = await process.communicate()
    if process.returncode:
        pytest.skip(f"this machine lets nobody change settings of a new network namespace: {complaint.decode()[-200:]}")
    assert said.decode().splitlines() == [
        "ipv4/ip_forward links",
        "ipv6/conf/all/forwarding links",
        "ipv4/conf/all/rp_filter links",
    ]


async def test_changes_inside_the_probes_namespace_are_noticed_and_those_in_a_later_one_of_its_name() -> None:
    if os.geteuid() != 0 or not IP:
        pytest.skip("needs root and ip (Debian package iproute2), for a network namespace")
    heard: list[Area] = []
    notices = Notices(heard.append)
    name = f"kuntest-{os.getpid()}"

    async def noticed(*argv: str) -> bool:
        heard.clear()
        await run(IP, "-n", name, *argv)
        return bool(heard)

    notices.start()
    try:
        for _ in range(2):
            await run(IP, "netns", "add", name)
            assert not await noticed("link", "set", "lo", "up"), "nobody follows it yet"
            notices.follow(name)
            assert await noticed("address", "add", "192.0.2.1/32", "dev", "lo")
            assert await noticed("address", "add", "2001:db8::1/128", "dev", "lo")
            assert await noticed("route", "add", "198.51.100.64/32", "dev", "lo")
            assert not await noticed("route", "show")
            await run(IP, "-n", name, "link", "set", "lo", "down")
            notices.settle()
            assert notices.settle() == []
            await run(IP, "netns", "del", name)
            notices.follow(name)
    finally:
        notices.close()
        await run(IP, "netns", "del", name)


def test_a_process_that_we_may_not_look_into_counts_as_somebody() -> None:
    """As the agent in its unit, with few capabilities, meets a `jool` of root's."""
    if os.geteuid() != 0:
        pytest.skip("this machine gives no root, to have rights that a child gives up")
    child = os.fork()
    if child == 0:
        os.setuid(NOBODY)
        os._exit(0 if execwatch._is_somebody_here(os.getppid()) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_process_that_has_ended_is_nobody() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert not execwatch._is_somebody_here(gone.pid)
