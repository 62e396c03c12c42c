"""Between controller and API server: passes everything on, and ends the controller at a write."""

import asyncio
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web

from tests.cluster.api_server import Cluster
from tests.ports import free_port

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class KillingProxy:
    """`dies(method, path, body)` says whether the controller dies at this write: "before" it, "after" it, or "" for no.

    `kill` ends it. A write that it dies before never reaches the API server; of one it dies after it never hears.
    """

    def __init__(self, cluster: Cluster, dies: Callable[[str, str, bytes], str], kill: Callable[[], None]) -> None:
        self._server = f"https://[::1]:{cluster.port}"
        self._ca = str(cluster.folder / "ca.crt")
        self._dies, self._kill = dies, kill
        self.port = free_port()
        self._ready, self._stop = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def start(self, cluster: Cluster, folder: Path) -> Path:
        """Listen; gives a kubeconfig that leads here."""
        self._thread.start()
        assert self._ready.wait(30)
        config: dict[str, Any] = yaml.safe_load(cluster.kubeconfig("admin").read_text())
        config["clusters"][0]["cluster"] = {"server": f"http://127.0.0.1:{self.port}"}
        file = folder / "proxy.kubeconfig"
        file.write_text(yaml.safe_dump(config))
        return file

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._pass_on)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        context = ssl.create_default_context(cafile=self._ca)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context, limit=0)) as self._session:
            self._ready.set()
            await self._stop.wait()
            await runner.cleanup()

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        when = self._dies(request.method, request.path, body) if request.method in WRITES else ""
        if when == "before":
            await asyncio.to_thread(self._kill)
            raise web.HTTPBadGateway
        headers = {name: request.headers[name] for name in ("Authorization", "Content-Type") if name in request.headers}
        timeout = aiohttp.ClientTimeout(total=None)
        async with self._session.request(
            request.method, self._server + request.path_qs, data=body, headers=headers, timeout=timeout
        ) as found:
            if when == "after":
                await found.read()
                await asyncio.to_thread(self._kill)
                raise web.HTTPBadGateway
            answer = web.StreamResponse(status=found.status, headers={"Content-Type": found.content_type})
            await answer.prepare(request)
            async for chunk in found.content.iter_any():
                await answer.write(chunk)
            return answer
