"""Whatever dies is replaced and serves, whatever is missing at the start is waited for, and an end is clean."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

import dns.exception
import dns.rcode
import pytest

from tests.dns64.app.running import PROGRAM, Running, eventually, running, toml
from tests.dns64.transport.fake import fake_upstream
from tests.ports import free_port


async def pids(one: Running) -> list[int]:
    return [worker["pid"] for worker in (await one.status())["workers"]]


def children(pid: int) -> set[int]:
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


async def answers(one: Running, count: int, timeout_s: float = 1.5) -> list[bool]:
    """Whether each of so many questions, of as many names and ports, is answered."""

    async def is_answered(number: int) -> bool:
        with suppress(dns.exception.Timeout):
            return (await one.ask(f"n{number}.t.example.", timeout_s=timeout_s)).rcode() == dns.rcode.NOERROR
        return False

    return list(await asyncio.gather(*(is_answered(number) for number in range(count))))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL, signal.SIGABRT])
async def test_a_worker_that_is_ended_is_replaced_and_serves(tmp_path: Path, number: int) -> None:
    async with fake_upstream() as upstream, running(tmp_path, upstream.port, workers=2, calm=False) as one:
        before = set(await pids(one))
        for pid in before:
            os.kill(pid, number)
        if number not in (signal.SIGINT, signal.SIGHUP):

            async def all_new() -> bool:
                now = set(await pids(one))
                return len(now) == 2 and not now & before

            await eventually(all_new)
        assert all(await answers(one, 40))


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_sigterm_to_the_whole_group_is_a_clean_end(tmp_path: Path, workers: int) -> None:
    async with fake_upstream() as upstream, running(tmp_path, upstream.port, workers=workers) as one:
        for pid in {one.process.pid, *await pids(one)}:
            os.kill(pid, signal.SIGTERM)
        async with asyncio.timeout(15):
            assert await one.process.wait() == 0, one.log_text()


async def test_after_a_fault_a_reload_leaves_no_old_worker(tmp_path: Path) -> None:
    async with fake_upstream() as upstream, running(tmp_path, upstream.port, workers=2, calm=False) as one:
        old = await pids(one)
        os.kill(old[0], signal.SIGTERM)
        os.kill(old[1], signal.SIGSTOP)
        one.config.write_text(one.config.read_text().replace("workers = 2", "workers = 3"))
        one.hang_up()
        await one.logged("reloaded")

        async def only_new() -> bool:
            now = children(one.process.pid)
            return now == set(await pids(one)) and len(now) == 3

        await eventually(only_new)
        assert all(await answers(one, 40))


async def test_no_worker_outlives_its_supervisor(tmp_path: Path) -> None:
    """Not even one that stands still: it would keep its share of the port's datagrams for ever."""
    async with fake_upstream() as upstream, running(tmp_path, upstream.port, workers=2, calm=False) as one:
        workers = await pids(one)
        os.kill(workers[0], signal.SIGSTOP)
        one.process.kill()
        await one.process.wait()

        async def gone() -> bool:
            return not any(is_alive(pid) for pid in workers)

        await eventually(gone)


def is_alive(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


async def test_a_worker_that_stands_still_loses_its_names(tmp_path: Path) -> None:
    """Half of the names were mute for 5 to 7 s."""
    async with fake_upstream() as upstream, running(tmp_path, upstream.port, workers=2, calm=False) as one:
        assert all(await answers(one, 20))
        await asyncio.sleep(2.1)
        (stopped, _) = await pids(one)
        os.kill(stopped, signal.SIGSTOP)
        await asyncio.sleep(1.9)
        try:
            assert all(await answers(one, 40, 0.9))
        finally:
            with suppress(ProcessLookupError):
                os.kill(stopped, signal.SIGCONT)


@pytest.mark.parametrize("workers", [1, 2])
async def test_closed_standard_streams_are_survived(tmp_path: Path, workers: int) -> None:
    port, admin = free_port(), free_port()
    config = tmp_path / "kun-dns64.toml"
    config.write_text(toml(free_port(), port, admin, workers, {}))
    line = f"exec {PROGRAM} serve --config {config} <&- >&- 2>&-"
    process = await asyncio.create_subprocess_exec("sh", "-c", line)
    one = Running(process, port, admin, config, tmp_path / "log")
    try:

        async def alive() -> bool:
            assert process.returncode is None
            with suppress(OSError, dns.exception.DNSException):
                return (await one.ask("ipv4only.arpa.", timeout_s=0.5)).rcode() == dns.rcode.NOERROR
            return False

        await eventually(alive)
        process.terminate()
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_log_that_nobody_reads_any_more_does_not_change_the_end(tmp_path: Path, workers: int) -> None:
    port, admin = free_port(), free_port()
    config = tmp_path / "kun-dns64.toml"
    config.write_text(toml(free_port(), port, admin, workers, {}))
    process = await asyncio.create_subprocess_exec(
        PROGRAM, "serve", "--config", config, stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
    )
    assert process.stderr is not None
    async with asyncio.timeout(15):
        while b"admin" not in await process.stderr.readline():
            pass
        process._transport.get_pipe_transport(2).close()  # type: ignore[attr-defined]
        await asyncio.sleep(0.1)
        process.terminate()
        assert await process.wait() == 0
