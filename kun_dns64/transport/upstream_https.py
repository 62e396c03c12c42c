"""An upstream asked by HTTPS (RFC 8484), over HTTP/2 where it speaks that (section 5.2), else over HTTP/1.1.

On httpcore, which is imported only when such an upstream is configured. Questions are POSTed, and over HTTP/2 put by
GET: BIND 9.18 answers nothing more on a connection that brings it ten bodies at once. Servers take both (section 4.1);
one that does not is asked by POST.
"""

import asyncio
import ssl
from base64 import urlsafe_b64encode
from collections.abc import Coroutine, Iterator
from typing import TYPE_CHECKING, cast

from kun_dns64.config.endpoint import UpstreamAddress
from kun_dns64.formats.response import matches
from kun_dns64.model.step import FailureKind, UpstreamFailure
from kun_dns64.transport.attempt import SPENT, Attempt, Done, Observed, Request, Result, encode, failure, read
from kun_dns64.transport.errnos import failure_kind
from kun_dns64.transport.health import Health

if TYPE_CHECKING:
    import httpcore

MEDIA_TYPE = b"application/dns-message"
# Of HTTP/1.1, where each carries one question at a time.
MAX_CONNECTIONS = 16
MAX_BODY = 65535
TOTAL_S, CONNECT_S, KEPT_S = 5.0, 1.5, 60.0
# A pool of connections from which nothing has come for so long, asked something, is left for a new one.
MUTE_S = 0.3


class HttpsUpstream:
    """Puts questions over a few kept connections; the certificate must carry the upstream's name."""

    def __init__(self, address: UpstreamAddress, observed: Observed, context: ssl.SSLContext) -> None:
        self.address, self.health, self.observed = address, Health(), observed
        self._context = context
        self._pool: httpcore.AsyncConnectionPool | None = None
        self._heard_at = 0.0
        # The first question is alone: its answer tells which HTTP is spoken.
        self._first = asyncio.Lock()
        self._first_is_over = self._by_get = False
        self._takes_get = True
        self._tasks: set[asyncio.Task[None]] = set()
        self._headers = [
            (b"Host", address.authority.encode()),
            (b"Accept", MEDIA_TYPE),
            (b"Content-Type", MEDIA_TYPE),
        ]

    def send(self, request: Request, done: Done) -> Attempt:
        attempt = HttpsAttempt(self, request, done)
        if request.may_send(self.address):
            attempt.again()
        else:
            asyncio.get_running_loop().call_soon(attempt.finish, SPENT)
        return attempt

    def start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.aclose()

    def leave_mute(self, asked_at: float) -> None:
        """Further questions go on new connections if nothing has come since `asked_at`.

        With HTTP/2 all share one connection, and it may be dead without a word. What is out on the old ones may still
        be answered there.
        """
        now = asyncio.get_running_loop().time()
        if self._pool is not None and self._heard_at < asked_at and now - asked_at >= MUTE_S:
            pool, self._pool = self._pool, None
            self._first_is_over = False
            self.start(_close_later(pool))

    async def exchange(self, request: Request, more: "HttpsAttempt") -> Result:
        """The outcome of the question, sent again on another connection as often as `more` allows."""
        # Id 0 keeps equal questions equal bytes for HTTP caches (RFC 8484 section 4.1).
        wire, question = encode(request, 0)
        self.observed.asked(wire, self.address)
        try:
            async with asyncio.timeout(TOTAL_S):
                body = await self._put(wire, more)
        except TimeoutError:
            return failure(FailureKind.TIMEOUT, "no HTTP response in time")
        finally:
            self.observed.out.discard(wire)
        if isinstance(body, UpstreamFailure):
            return Result(body)
        if len(body) > MAX_BODY or not matches(body, 0, question):
            self.observed.wrong_replies += 1
            return failure(FailureKind.GARBAGE, "the body does not answer the question")
        self.observed.heard(body, self.address)
        return read(body, request)

    async def _put(self, wire: bytes, more: "HttpsAttempt") -> bytes | UpstreamFailure:
        """The body, or why there is none. A kept connection may have been closed just as we write."""
        import httpcore

        while True:
            by_get = self._by_get
            try:
                said: bytes | UpstreamFailure = await self._put_in_turn(wire)
            except (httpcore.ConnectTimeout, httpcore.PoolTimeout):
                more.not_sent()
                return UpstreamFailure(FailureKind.TIMEOUT, "no HTTP response in time")
            except (httpcore.ReadTimeout, httpcore.WriteTimeout):
                return UpstreamFailure(FailureKind.TIMEOUT, "no HTTP response in time")
            except httpcore.ConnectError as error:
                more.not_sent()
                return UpstreamFailure(_kind(error), _reason(error))
            except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
                said = UpstreamFailure(FailureKind.CLOSED, _reason(error))
            if isinstance(said, bytes):
                return said
            if by_get:
                self._by_get = self._takes_get = False
            elif said.kind is not FailureKind.CLOSED:
                return said
            if not more.may_send():
                return said
            self.observed.stream_retries += 1

    async def _put_in_turn(self, wire: bytes) -> bytes | UpstreamFailure:
        if not self._first_is_over:
            async with self._first:
                if not self._first_is_over:
                    try:
                        return await self._put_once(wire)
                    finally:
                        self._first_is_over = True
        return await self._put_once(wire)

    async def _put_once(self, wire: bytes) -> bytes | UpstreamFailure:
        by_get = self._by_get
        async with self._pool_now().stream(
            b"GET" if by_get else b"POST",
            self._url(b"?dns=" + urlsafe_b64encode(wire).rstrip(b"=") if by_get else b""),
            headers=self._headers[:-1] if by_get else self._headers,
            content=None if by_get else wire,
            extensions={
                "timeout": {"connect": CONNECT_S, "read": TOTAL_S, "write": TOTAL_S, "pool": TOTAL_S},
                "sni_hostname": self.address.server_name,
            },
        ) as response:
            self._heard_at = asyncio.get_running_loop().time()
            self._by_get = self._takes_get and response.extensions.get("http_version") == b"HTTP/2"
            headers = {name.lower(): value for name, value in response.headers}
            kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
            if response.status != 200 or kind != MEDIA_TYPE:
                return UpstreamFailure(
                    FailureKind.GARBAGE, f"HTTP {response.status} {kind[:60].decode('latin-1')}".rstrip()
                )
            body = b""
            async for chunk in response.aiter_stream():
                body += chunk
                if len(body) > MAX_BODY:
                    break
            return body

    def _url(self, query: bytes) -> "httpcore.URL":
        import httpcore

        endpoint = self.address.endpoint
        target = self.address.path.encode() + query
        return httpcore.URL(scheme=b"https", host=endpoint.host.encode(), port=endpoint.port, target=target)

    def _pool_now(self) -> "httpcore.AsyncConnectionPool":
        import httpcore

        if self._pool is None:
            self._pool = httpcore.AsyncConnectionPool(
                ssl_context=self._context,
                max_connections=MAX_CONNECTIONS,
                keepalive_expiry=KEPT_S,
                http1=True,
                http2=True,
            )
        return self._pool


async def _close_later(pool: "httpcore.AsyncConnectionPool") -> None:
    try:
        await asyncio.sleep(TOTAL_S)
    finally:
        await pool.aclose()


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and what it came from: httpcore's own say little."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _reason(error: Exception) -> str:
    """In few words; for a certificate what is wrong with it."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"certificate: {cause.verify_message}"
    return str(error) or type(error).__name__


def _kind(error: Exception) -> FailureKind:
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.errno and not isinstance(cause, ssl.SSLError):
            return failure_kind(cause)
    return FailureKind.UNREACHABLE


class HttpsAttempt:
    """Out once; again where no answer comes, since a kept connection may be dead without a word."""

    sends, lost_here = 1, False

    def __init__(self, upstream: HttpsUpstream, request: Request, done: Done) -> None:
        self._upstream, self._request, self._done = upstream, request, done
        self._tries: set[asyncio.Task[None]] = set()
        self._asked_at = 0.0

    def may_send(self) -> bool:
        """Whether the question may be sent once more; it counts as sent then."""
        if not self._request.may_send(self._upstream.address):
            return False
        self._request.sent(self._upstream.address)
        return True

    def not_sent(self) -> None:
        self._request.not_sent(self._upstream.address)

    def again(self) -> None:
        if self._tries:
            self._upstream.leave_mute(self._asked_at)
        if self.may_send():
            self._asked_at = asyncio.get_running_loop().time()
            self._tries.add(self._upstream.start(self._ask()))

    def read_waiting(self) -> None:
        """The loop does it."""

    def cancel(self) -> None:
        for task in self._tries:
            task.cancel()
        self._tries.clear()

    async def _ask(self) -> None:
        result = await self._upstream.exchange(self._request, self)
        self._tries.discard(cast(asyncio.Task[None], asyncio.current_task()))
        if isinstance(result.outcome, UpstreamFailure) and self._tries:
            return
        self.finish(result)

    def finish(self, result: Result) -> None:
        self.cancel()
        self._done(result)
