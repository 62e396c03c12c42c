"""What is not there yet at boot is waited for; only a file's own error ends the program with 2."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import dns.rcode
import pytest

from tests.dns64.app.running import PATIENT_S, PROGRAM, Running, eventually, toml
from tests.dns64.transport.fake import fake_upstream
from tests.ports import free_port


@asynccontextmanager
async def starting(
    folder: Path, change: Callable[[str], str] = str, *, port: int = 0, admin: int = 0, upstream: int = 0
) -> AsyncIterator[Running]:
    """A program that may not be ready for long."""
    port, admin = port or free_port(), admin or free_port()
    config, log = folder / "kun-dns64.toml", folder / "log"
    config.write_text(change(toml(upstream or free_port(), port, admin, 1, {})))
    with log.open("wb") as stream:
        process = await asyncio.create_subprocess_exec(PROGRAM, "serve", "--config", config, stderr=stream)
    try:
        yield Running(process, port, admin, config, log)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def serves(one: Running) -> None:
    await one.logged("ready listen=")
    assert (await one.ask("ipv4only.arpa.")).rcode() == dns.rcode.NOERROR
    assert await one.stop() == 0


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM], ids=["udp", "tcp"])
async def test_an_address_that_is_taken_is_waited_for(tmp_path: Path, kind: int) -> None:
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", port := free_port()))
        if kind == socket.SOCK_STREAM:
            taken.listen()
        async with starting(tmp_path, port=port) as one:
            await one.logged("waiting reason=")
            taken.close()
            await serves(one)


async def test_an_end_while_it_waits_is_a_clean_one(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", port := free_port()))
        async with starting(tmp_path, port=port) as one:
            await one.logged("waiting reason=")
            assert await one.stop() == 0


async def test_queries_do_not_wait_for_an_admin_address_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        async with starting(tmp_path, admin=taken.getsockname()[1]) as one:
            await one.logged("ready listen=")
            assert (await one.ask("ipv4only.arpa.")).rcode() == dns.rcode.NOERROR
            taken.close()
            await one.logged("admin listen=")
            assert (await one.page("/healthz"))[0] == 200
            assert await one.stop() == 0


async def test_a_file_that_is_wrong_is_not_waited_for(tmp_path: Path) -> None:
    async with starting(tmp_path, lambda text: text.replace("workers", "wrokers")) as one:
        async with asyncio.timeout(PATIENT_S):
            assert await one.process.wait() == 2


def borrowing(text: str) -> str:
    lines = [line for line in text.splitlines() if not line.startswith("servers")]
    return "\n".join(lines).replace("[upstream]", '[upstream]\nresolv_conf = "resolv.conf"')


async def until(one: Running, rcode: str) -> None:
    names = (f"n{number}.t.example." for number in range(10_000))

    async def says() -> bool:
        return dns.rcode.to_text((await one.ask(next(names))).rcode()) == rcode

    await eventually(says)


async def test_servers_of_resolv_conf_are_followed(tmp_path: Path) -> None:
    """Nobody is named at boot, then a server, then another, then for a moment nobody."""
    resolv = tmp_path / "resolv.conf"
    async with fake_upstream(port=53) as upstream, starting(tmp_path, borrowing) as one:
        await one.logged("names no server to ask yet")
        await one.logged("admin listen=")
        assert (await one.page("/readyz"))[0] == 503
        await until(one, "SERVFAIL")
        resolv.write_text("nameserver 127.0.0.1\n")
        await until(one, "NOERROR")
        assert (await one.page("/readyz"))[0] == 200
        resolv.write_text("nameserver 127.0.0.9\n")
        await until(one, "SERVFAIL")
        resolv.write_text("nameserver 127.0.0.1\n")
        await until(one, "NOERROR")
        resolv.unlink()
        reloads = await one.number("config_reloads_total")
        await one.until("config_reloads_total", reloads + 1)
        await until(one, "NOERROR")
        assert upstream.seen
        assert await one.stop() == 0


def as_root(*argv: str) -> subprocess.CompletedProcess[str]:
    if os.geteuid() != 0:
        pytest.skip("needs root, for a network of its own")
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


SERVES = """
ip link set lo up
{before}
{program} serve {flags} --upstream udp://192.0.2.53 --workers 1 2>log & pid=$!
for try in $(seq 100); do sleep 0.1; {during}; grep -q "ready listen" log && break; done
kill $pid; wait $pid; echo "exit $?"; cat log
"""


def served_in_a_network_of_its_own(tmp_path: Path, flags: str = "", before: str = ":", during: str = ":") -> str:
    script = SERVES.format(program=PROGRAM, flags=flags, before=before, during=during)
    done = as_root("unshare", "--net", "sh", "-c", f"cd {tmp_path}; {script}")
    assert "exit 0" in done.stdout, done
    assert "ready listen" in done.stdout, done
    return done.stdout


def test_a_machine_without_ipv6_serves_the_rest_of_the_default(tmp_path: Path) -> None:
    off = "echo 1 > /proc/sys/net/ipv6/conf/lo/disable_ipv6"
    log = served_in_a_network_of_its_own(tmp_path, before=off)
    assert "listen=127.0.0.1:5353 " in log
    assert "no ::1" in log


def test_an_address_that_comes_later_is_waited_for(tmp_path: Path) -> None:
    during = "grep -q waiting log && ip address replace 192.0.2.9/32 dev lo"
    log = served_in_a_network_of_its_own(tmp_path, "--listen 192.0.2.9:5353", during=during)
    assert "waiting reason=" in log
    assert "Cannot assign requested address" in log


def test_with_freebind_it_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "f.toml").write_text('[server]\nlisten = ["192.0.2.9:5353", "[2001:db8::9]:5353"]\nfreebind = true\n')
    log = served_in_a_network_of_its_own(tmp_path, f"--config {tmp_path}/f.toml")
    assert "waiting" not in log


def test_as_pid_1_it_reaps_what_others_leave_behind_and_ends_by_sigterm(tmp_path: Path) -> None:
    """A child of `sh` that outlives it is given to PID 1, and would stay a zombie for ever."""
    script = f"""
import os, signal, subprocess, sys, time
if os.fork() == 0:
    time.sleep(3)
    subprocess.run(["sh", "-c", "sleep 0.3 & sleep 0.3 & sleep 0.3 &"])
    time.sleep(4)
    stats = [open(f"/proc/{{pid}}/stat").read() for pid in os.listdir("/proc") if pid.isdigit()]
    states = [stat.rsplit(")", 1)[1].split()[0] for stat in stats]
    print("zombies", states.count("Z"), flush=True)
    os.kill(1, signal.SIGTERM)
    os._exit(0)
os.execv({str(PROGRAM)!r}, ["kun-dns64", "serve", "--listen", "127.0.0.1:{free_port()}", "--admin", "",
    "--upstream", "udp://127.0.0.1:{free_port()}", "--workers", "2"])
"""
    done = as_root("unshare", "--fork", "--pid", "--mount-proc", sys.executable, "-c", script)
    assert "zombies 0" in done.stdout, done
    assert done.returncode == 0, done
