"""A real Chromium without a window, driven over its DevTools protocol."""

import asyncio
import itertools
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

START_S, ANSWER_S, LOOK_S = 60.0, 30.0, 0.05
# No sandbox: it cannot be had as root, and the page is our own.
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-proxy-server",
)
LISTENING = re.compile(rb"DevTools listening on (ws://\S+)")


class Tab:
    """One page. `complaints`: what it wrote to the console, what it was refused, what it threw."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._numbers = socket, itertools.count(1)
        self.complaints: list[str] = []

    async def call(self, method: str, **params: object) -> dict[str, Any]:
        """Raises AssertionError when the browser refuses, TimeoutError."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        async with asyncio.timeout(ANSWER_S):
            while (told := await self._socket.receive_json()).get("id") != number:
                self._hear(told)
        assert "error" not in told, told
        result: dict[str, Any] = told["result"]
        return result

    def _hear(self, event: dict[str, Any]) -> None:
        if event["method"] in ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"):
            self.complaints.append(str(event["params"]))

    async def open(self, url: str) -> None:
        for domain in ("Log", "Runtime", "Page"):
            await self.call(f"{domain}.enable")
        await self.call("Page.navigate", url=url)
        await self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    async def value(self, script: str) -> Any:
        return (await self.call("Runtime.evaluate", expression=script, returnByValue=True))["result"].get("value")

    async def until(self, script: str) -> None:
        """A page that is just being replaced has no value: asked again."""
        async with asyncio.timeout(ANSWER_S):
            while await self.value(script) is not True:  # noqa: ASYNC110 - the browser tells nobody
                await asyncio.sleep(LOOK_S)

    async def resize(self, width: int, height: int) -> None:
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    async def prefer(self, scheme: str) -> None:
        """`scheme`: light or dark."""
        await self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])


@asynccontextmanager
async def browser(program: str, profile: Path) -> AsyncIterator[Tab]:
    """Ended afterwards with all its processes. Raises TimeoutError when it does not come up."""
    process = await asyncio.create_subprocess_exec(
        *(program, *FLAGS, f"--user-data-dir={profile}", "--remote-debugging-port=0", "about:blank"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert process.stderr is not None
        async with asyncio.timeout(START_S):
            while not (found := LISTENING.match(await process.stderr.readline())):
                assert process.returncode is None, f"{program} ended with {process.returncode}"
        drain = asyncio.create_task(process.stderr.read())
        address = found[1].decode().split("/")[2]
        async with aiohttp.ClientSession() as http:
            async with http.get(f"http://{address}/json/list") as listed:
                (page,) = (one for one in await listed.json() if one["type"] == "page")
            async with http.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                yield Tab(socket)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    await drain
