"""A real `kun-dns64 serve` beside a test, before a fake upstream in the test's own loop."""

import asyncio
import json
import os
import re
import resource
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import dns.asyncquery
import dns.message
import dns.rcode
import dns.rdatatype

from tests.ports import free_port

PROGRAM = Path(sys.executable).with_name("kun-dns64")
PATIENT_S, LOOK_S = 20.0, 0.02
VIP, PREFIX = "198.51.100.64", "2002:c633:6440::"


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(int(PATIENT_S / LOOK_S)):
        if await condition():
            return
        await asyncio.sleep(LOOK_S)
    raise AssertionError("it did not come to that")


@dataclass
class Running:
    process: asyncio.subprocess.Process
    port: int
    admin: int
    config: Path
    log: Path

    def log_text(self) -> str:
        return self.log.read_text()

    async def ask(
        self, name: str, rtype: str = "AAAA", *, tcp: bool = False, timeout_s: float = 4.0
    ) -> dns.message.Message:
        query = dns.message.make_query(name, rtype, use_edns=0)
        if tcp:
            return await dns.asyncquery.tcp(query, "127.0.0.1", timeout_s, self.port)
        return await dns.asyncquery.udp(query, "127.0.0.1", timeout_s, self.port)

    async def addresses(self, name: str) -> list[str]:
        reply = await self.ask(name)
        assert reply.rcode() == dns.rcode.NOERROR, reply
        return sorted(
            record.to_text() for rrset in reply.answer for record in rrset if rrset.rdtype == dns.rdatatype.AAAA
        )

    async def page(self, path: str) -> tuple[int, str]:
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{self.admin}{path}") as response:
            return response.status, await response.text()

    async def status(self) -> Any:
        return json.loads((await self.page("/status"))[1])

    async def number(self, metric: str) -> float:
        """The sum over all labels; 0 where there is none."""
        text = (await self.page("/metrics"))[1]
        found = re.findall(rf"^kun_dns64_{metric}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE)
        return sum(float(value) for value in found)

    async def until(self, metric: str, value: float) -> None:
        await eventually(lambda: self._is(metric, value))

    async def logged(self, text: str) -> None:
        await eventually(lambda: self._says(text))

    async def _is(self, metric: str, value: float) -> bool:
        return await self.number(metric) == value

    async def _says(self, text: str) -> bool:
        assert self.process.returncode is None, self.log_text()
        return text in self.log_text()

    def hang_up(self) -> None:
        self.process.send_signal(signal.SIGHUP)

    async def stop(self) -> int:
        self.process.terminate()
        async with asyncio.timeout(PATIENT_S):
            return await self.process.wait()


def toml(upstream: int | Sequence[int], port: int, admin: int, workers: int, more: Mapping[str, str]) -> str:
    """`more` maps a section's header to lines for it; sections of our own get them added."""
    upstreams = [upstream] if isinstance(upstream, int) else upstream
    servers = ", ".join(f'"udp://127.0.0.1:{one}"' for one in upstreams)
    sections = {
        "[server]": f'listen = ["127.0.0.1:{port}"]\nworkers = {workers}\n',
        "[admin]": f'listen = "127.0.0.1:{admin}"\n',
        "[control]": "" if "[control]" in more else 'socket = "c.sock"\n',
        "[upstream]": f"servers = [{servers}]\n",
        "[dns64]": f'vip = "{VIP}"\n',
    }
    for header, lines in more.items():
        sections[header] = sections.get(header, "") + lines + "\n"
    return "\n".join(f"{header}\n{lines}" for header, lines in sections.items())


@asynccontextmanager
async def running(
    folder: Path,
    upstream: int | Sequence[int],
    *,
    workers: int = 1,
    more: Mapping[str, str] | None = None,
    calm: bool = True,
    files: int = 0,
    port: int = 0,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Running]:
    """Ready to answer. Afterwards it has ended with 0, and its log tells of no exception (`calm`).

    `files`: it may have so many open at most; 0: as many as this process. `port` 0: a free one.
    """
    port, admin = port or free_port(), free_port()
    config, log = folder / "kun-dns64.toml", folder / "log"
    config.write_text(toml(upstream, port, admin, workers, more or {}))
    command = (PROGRAM, "serve", "--config", config)
    with log.open("wb") as stream:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdout=stream,
            stderr=stream,
            stdin=asyncio.subprocess.DEVNULL,
            env={**os.environ, **(environment or {})},
        )
        if files:
            # Before it looks: it raises its soft limit to the hard one.
            resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (files, files))
    one = Running(process, port, admin, config, log)
    try:
        await one.logged("admin listen=")
        yield one
        if process.returncode is None:
            assert await one.stop() == 0, one.log_text()
        if calm:
            assert not re.search("traceback|exception|internal-error", one.log_text(), re.IGNORECASE), one.log_text()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
