"""Serves the table: one HTTP response per consumer (docs/kubernetes.md, "The request").

A consumer's state here is one version: what it was sent. When it has taken that, it is sent what leads to the newest.
So a slow consumer costs one change in flight, and changes that come meanwhile are joined.
"""

import asyncio
import hmac
import re
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from aiohttp import web

from kun_base.admin_access import Access, reading_refused
from kun_base.errors import ConfigError, Fault
from kun_cluster.state.followers import Follower, Followers
from kun_cluster.state.table_view import TableView

HEARTBEAT_S = 5.0
SLOW_S = 30.0
PIECE = 64 * 1024
ROLES = ("resolver", "gateway")
VERSION = re.compile(r"[0-9a-f]{32}")
NAME = re.compile(r"[\x21-\x7e]{1,80}")


class TableServer:
    """`journals`: the views by name. `tokens`: who may ask, asked for each request; None: whoever reaches the listener.

    `is_ready`: there is a table. `dropped`: told the consumer and the reason when a connection is ended from here.
    """

    def __init__(
        self,
        journals: Mapping[str, TableView],
        followers: Followers,
        tokens: Callable[[], list[str]] | None,
        is_ready: Callable[[], bool],
        dropped: Callable[[str, str], None] = lambda _name, _reason: None,
    ) -> None:
        self._journals, self._followers, self._tokens, self._is_ready = journals, followers, tokens, is_ready
        self._dropped = dropped
        self._changed = asyncio.Event()
        self._stopping = False
        self._runner: web.AppRunner | None = None

    def wake(self) -> None:
        """Tell all consumers that a journal has changed."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def start(self, host: str, port: int, context: ssl.SSLContext | None) -> int:
        """Listen; returns the port. Raises OSError."""
        app = web.Application(client_max_size=4096)
        app.router.add_get("/v1/table", self._table)
        app.router.add_post("/v1/applied", self._applied)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port, ssl_context=context).start()
        bound: int = self._runner.addresses[0][1]
        return bound

    async def close(self) -> None:
        """End all responses, and listen no more."""
        self._stopping = True
        self.wake()
        if self._runner is not None:
            await self._runner.cleanup()

    def _refusal(self, request: web.Request) -> web.Response | None:
        """401 for a wrong token, 403 or 421 for a stranger without tokens, 400 for a wrong parameter."""
        if self._tokens is None:
            # A page in a browser of this host must not read the table (DNS rebinding).
            refused = reading_refused(Access(), request.remote or "", request.headers, socket.gethostname())
            if refused is not None:
                return web.Response(status=refused.status, text=refused.words + "\n")
        given = request.headers.get("Authorization", "").removeprefix("Bearer ").encode()
        if self._tokens and not any(hmac.compare_digest(given, token.encode()) for token in self._tokens()):
            return web.Response(status=401, text="wants Authorization: Bearer TOKEN\n")
        query = request.query
        wrong = (
            (query.get("clients", "all") not in self._journals, "clients wants all or exceptions"),
            (query.get("role", "resolver") not in ROLES, "role wants resolver or gateway"),
            (not NAME.fullmatch(query.get("consumer", "?")), "consumer wants 1 to 80 visible characters"),
            (bool(query.get("have")) and not VERSION.fullmatch(query["have"]), "have wants 32 hexadecimal digits"),
        )
        for is_wrong, text in wrong:
            if is_wrong:
                return web.Response(status=400, text=text + "\n")
        return None

    async def _applied(self, request: web.Request) -> web.Response:
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        query = request.query
        version = query.get("version", "")
        if not VERSION.fullmatch(version):
            return web.Response(status=400, text="version wants 32 hexadecimal digits\n")
        known = self._followers.applied(
            query.get("consumer", "?"), query.get("role", "resolver"), version, time.monotonic()
        )
        return web.Response(status=204) if known else web.Response(status=400, text="consumer does not follow here\n")

    async def _table(self, request: web.Request) -> web.StreamResponse:
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        if not self._is_ready() or self._stopping:
            return web.Response(status=503, headers={"Retry-After": "1"}, text="there is no table yet\n")
        query = request.query
        view = query.get("clients", "all")
        name = query.get("consumer", f"{request.remote}")
        follower = self._followers.joined(name, query.get("role", "resolver"), view, time.monotonic())
        if follower is None:
            return web.Response(status=429, text="too many consumers\n")
        try:
            return await self._stream(request, self._journals[view], follower, query.get("have", ""))
        finally:
            self._followers.left(follower, time.monotonic())

    async def _stream(
        self, request: web.Request, journal: TableView, follower: Follower, have: str
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/jsonl", "Cache-Control": "no-store"})
        press = None
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            response.headers["Content-Encoding"] = "gzip"
            press = zlib.compressobj(wbits=31)
        await response.prepare(request)
        sent = have
        first = True
        try:
            while not self._stopping:
                changed = self._changed
                if sent != journal.version or (first and not have):
                    lines = journal.since(sent) if sent else journal.snapshot()
                    sent = follower.sent = journal.version
                elif first or not await _heard(changed):
                    # It may have changed in the very moment in which the wait was over.
                    if sent != journal.version:
                        continue
                    lines = [journal.heartbeat(time.time())]
                else:
                    continue
                first = False
                await _write(response, lines, press)
        except ConnectionError:
            pass
        except TimeoutError:
            self._dropped(follower.name, f"it took nothing for {SLOW_S:g} s")
        else:
            return response
        if request.transport is not None:
            request.transport.abort()
        return response


async def _heard(changed: asyncio.Event) -> bool:
    """Wait for a change, as long as a heartbeat may be away."""
    try:
        async with asyncio.timeout(HEARTBEAT_S):
            await changed.wait()
    except TimeoutError:
        return False
    return True


async def _write(response: web.StreamResponse, lines: list[str], press: "zlib._Compress | None") -> None:
    """Write lines, some at a time: others have their turn, and little waits for one that is slow.

    Raises TimeoutError for a consumer that takes nothing for SLOW_S.
    """
    for piece in pieces(lines):
        data = piece if press is None else press.compress(piece) + press.flush(zlib.Z_SYNC_FLUSH)
        async with asyncio.timeout(SLOW_S):
            await response.write(data)


def pieces(lines: list[str]) -> Iterator[bytes]:
    """The text of lines in pieces of 64 KiB or one line more."""
    waiting: list[bytes] = []
    size = 0
    for line in lines:
        data = line.encode() + b"\n"
        waiting.append(data)
        size += len(data)
        if size >= PIECE:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)


def tls_context(certificate: str, key: str) -> ssl.SSLContext:
    """The server's TLS. Raises ConfigError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            "--tls-certificate", [Fault(f"{certificate}, {key}", "", f"cannot be used: {error}")]
        ) from None
    return context


def read_tokens(file: str) -> list[str]:
    """One token a line, # comments. Raises ConfigError for a file without one."""
    try:
        lines = Path(file).read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("--token-file", [Fault(file, "", f"cannot be read: {error}")]) from None
    tokens = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not tokens:
        raise ConfigError("--token-file", [Fault(file, "", "must have one token a line")])
    return tokens
