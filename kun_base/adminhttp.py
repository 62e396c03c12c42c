"""A small HTTP server for health checks, metrics and status, on aiohttp (imported only when it starts)."""

import logging
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kun_base.admin_access import Access, Refused, changing_refused, reading_refused
from kun_base.admin_deadlines import AdminConnections
from kun_base.admin_files import AdminCertificate, read_token

if TYPE_CHECKING:
    import ssl

    from aiohttp import web

MAX_BODY = 64 * 1024
PEER = struct.Struct("iII")  # struct ucred: process, user, group


@dataclass(frozen=True, slots=True)
class Page:
    """What a handler answers. `body` as text; `status` an HTTP status code."""

    body: str
    status: int = 200
    content_type: str = "text/plain"
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Mapping[str, str]], Awaitable[Page]]
Answering = Callable[["web.Request"], Awaitable["web.Response"]]


class AdminServer:
    """Serves GET handlers, and POST ones for what changes things, by path until `close`.

    `minimal`: GET handlers for those who prefer a short answer (RFC 7240 section 4.2, return=minimal). A connection
    without a whole request for `idle_s` is closed, a new one after 10 s: each holds a file. `may_post`: by the user id
    of who connects to the unix socket, as the kernel tells it. `access`: who may ask by the network, asked each time;
    then nothing changes by the network without its token. None: whoever reaches the listener may ask.
    """

    def __init__(
        self,
        gets: Mapping[str, Handler],
        posts: Mapping[str, Handler] | None = None,
        idle_s: float = 30.0,
        minimal: Mapping[str, Handler] | None = None,
        may_post: Callable[[int], bool] | None = None,
        access: Callable[[], Access] | None = None,
    ) -> None:
        self._gets, self._posts, self._minimal = dict(gets), dict(posts or {}), dict(minimal or {})
        self._idle_s, self._may_post, self._access = idle_s, may_post, access
        self._certificate: AdminCertificate | None = None
        self._connections = AdminConnections(idle_s)
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> int:
        """Listens, and returns the port (0 asks the kernel for one).

        Raises OSError when the address is taken or the certificate cannot be used.
        """
        from aiohttp import web

        runner = await self._set_up()
        await web.TCPSite(runner, host, port, ssl_context=self._encryption()).start()
        bound: int = runner.addresses[0][1]
        return bound

    async def start_on(self, sock: socket.socket) -> None:
        """Serves on a socket that listens already, and closes it in the end."""
        from aiohttp import web

        runner = await self._set_up()
        await web.SockSite(runner, sock, ssl_context=self._encryption()).start()

    async def start_unix(self, path: str) -> None:
        """Listens on a unix socket; the directory it lies in decides who may open it. Raises OSError."""
        from aiohttp import web

        runner = await self._set_up()
        await web.UnixSite(runner, path).start()

    @property
    def certificate_end(self) -> float | None:
        """When the certificate served ends, seconds since 1970; None without one."""
        return self._certificate.end if self._certificate else None

    async def _set_up(self) -> "web.AppRunner":
        from aiohttp import web

        app = web.Application(client_max_size=MAX_BODY)
        for path, handler in self._gets.items():
            answer = self._read_checked(_adapted(handler, self._minimal.get(path, handler)))
            app.router.add_get(path, self._timed(answer))
        for path, handler in self._posts.items():
            answer = self._change_checked(self._read_checked(_adapted(handler, handler)))
            app.router.add_post(path, self._timed(answer))
        self._runner = _runner_type(self._connections)(
            app, access_log=None, logger=_logger(), shutdown_timeout=1.0, keepalive_timeout=self._idle_s
        )
        await self._runner.setup()
        return self._runner

    def _encryption(self) -> "ssl.SSLContext | None":
        access = self._access() if self._access is not None else Access()
        if not access.certificate:
            return None
        self._certificate = AdminCertificate(access.certificate, access.key)
        return self._certificate.context

    def _read_checked(self, handle: Answering) -> Answering:
        async def checked(request: "web.Request") -> "web.Response":
            if self._access is not None and not _by_unix_socket(request):
                peer = request.transport.get_extra_info("peername") if request.transport else None
                host = peer[0] if isinstance(peer, tuple) else ""
                if refused := reading_refused(self._access(), host, request.headers, socket.gethostname()):
                    return _refusal(refused)
            return await handle(request)

        return checked

    def _change_checked(self, handle: Answering) -> Answering:
        async def checked(request: "web.Request") -> "web.Response":
            refused = self._local_refused(request) if _by_unix_socket(request) else self._remote_refused(request)
            return _refusal(refused) if refused else await handle(request)

        return checked

    def _local_refused(self, request: "web.Request") -> Refused | None:
        user = peer_user(_socket_of(request))
        if self._may_post is None or (user is not None and self._may_post(user)):
            return None
        return Refused(403, "this is for root and for the user that the program runs as")

    def _remote_refused(self, request: "web.Request") -> Refused | None:
        if self._access is None:
            return None
        access = self._access()
        if not access.token_file:
            # Without one there is nothing here that could be asked for.
            return Refused(404, "changes are taken by the unix socket: [admin] token_file is not set")
        return changing_refused(request.headers, read_token(access.token_file), encrypted=request.secure)

    def _timed(self, handle: Answering) -> Answering:
        """Tells the connection when its request has come, and when its answer is made."""
        from aiohttp import web

        async def timed(request: web.Request) -> web.Response:
            transport = request.transport
            self._connections.began(transport)
            try:
                return await handle(request)
            finally:
                self._connections.ended(transport)

        return timed

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._certificate is not None:
            self._certificate.close()
            self._certificate = None


def _runner_type(connections: AdminConnections) -> "type[web.AppRunner]":
    """aiohttp's runner, whose connections have deadlines."""
    from aiohttp import web

    class Runner(web.AppRunner):
        @property
        def server(self) -> Any:
            make = super().server
            return None if make is None else lambda: connections.guarded(make())

    return Runner


def _logger() -> logging.Logger:
    """For defects in a page. A client that speaks no HTTP, or too long, is answered 400 and fills no log."""
    from aiohttp.http_exceptions import HttpProcessingError

    def is_ours(record: logging.LogRecord) -> bool:
        return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))

    logger = logging.getLogger("kun.admin")
    if not logger.filters:
        logger.addFilter(is_ours)
    return logger


def _socket_of(request: "web.Request") -> Any:
    return request.transport.get_extra_info("socket") if request.transport else None


def _by_unix_socket(request: "web.Request") -> bool:
    sock = _socket_of(request)
    return sock is not None and sock.family == socket.AF_UNIX


def _refusal(refused: Refused) -> "web.Response":
    from aiohttp import web

    headers = {"WWW-Authenticate": "Bearer"} if refused.status == 401 else None
    return web.Response(text=f"{refused.words}\n", status=refused.status, headers=headers)


def peer_user(sock: Any) -> int | None:
    """The user id of whoever connected a unix socket (SO_PEERCRED, unix(7)); None for other sockets."""
    if sock is None or sock.family != socket.AF_UNIX:
        return None
    _, user, _ = PEER.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size))
    return int(user)


def _adapted(handler: Handler, minimal: Handler) -> Answering:
    from aiohttp import web

    async def handle(request: web.Request) -> web.Response:
        briefly = "return=minimal" in request.headers.get("Prefer", "")
        page = await (minimal if briefly else handler)(request.query)
        return web.Response(
            text=page.body, status=page.status, content_type=page.content_type, charset="utf-8", headers=page.headers
        )

    return handle
