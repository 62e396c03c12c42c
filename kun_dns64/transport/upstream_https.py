"""An upstream asked by HTTPS (RFC 8484), on aiohttp, which is imported only when one is configured."""

import asyncio
import ssl
from collections.abc import Coroutine
from typing import TYPE_CHECKING, cast

from kun_dns64.config.endpoint import UpstreamAddress
from kun_dns64.formats.response import matches
from kun_dns64.model.step import FailureKind, UpstreamFailure
from kun_dns64.transport.attempt import Attempt, Done, Observed, Request, Result, encode, failure, read
from kun_dns64.transport.health import Health

if TYPE_CHECKING:
    import aiohttp

MEDIA_TYPE = "application/dns-message"
MAX_CONNECTIONS = 16
# One question is out so often at once; each of these meets so many closed connections.
MAX_TRIES = RETRIES = 3
MAX_BODY = 65535
TOTAL_S = 5.0


class HttpsUpstream:
    """POSTs questions over a few kept connections; the certificate must carry the upstream's name."""

    def __init__(self, address: UpstreamAddress, observed: Observed, context: ssl.SSLContext) -> None:
        self.address, self.health, self.observed = address, Health(), observed
        self._context = context
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def send(self, request: Request, done: Done) -> Attempt:
        attempt = HttpsAttempt(self, request, done)
        attempt.again()
        return attempt

    def start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    async def exchange(self, request: Request) -> Result:
        import aiohttp

        # Id 0 keeps equal questions equal octets for HTTP caches (RFC 8484 section 4.1).
        wire, question = encode(request, 0)
        self.observed.asked(wire, self.address)
        try:
            body = await self._post(wire)
        except TimeoutError:
            return failure(FailureKind.TIMEOUT, "no HTTP response in time")
        except aiohttp.ClientConnectorCertificateError as error:
            return failure(FailureKind.UNREACHABLE, f"certificate: {error.certificate_error}")
        except (aiohttp.ClientError, OSError) as error:
            return failure(FailureKind.UNREACHABLE, str(error) or type(error).__name__)
        finally:
            self.observed.out.discard(wire)
        if isinstance(body, Result):
            return body
        if len(body) > MAX_BODY or not matches(body, 0, question):
            self.observed.wrong_replies += 1
            return failure(FailureKind.GARBAGE, "the body does not answer the question")
        self.observed.heard(body, self.address)
        return read(body, request)

    async def _post(self, wire: bytes) -> bytes | Result:
        """The body, or why there is none. A kept connection may have been closed just as we write."""
        import aiohttp

        for _ in range(RETRIES):
            try:
                return await self._post_once(wire)
            except aiohttp.ClientConnectorError:
                raise
            except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
                self.observed.stream_retries += 1
        return await self._post_once(wire)

    async def _post_once(self, wire: bytes) -> bytes | Result:
        async with self._session_now().post(
            f"https://{self.address.endpoint}{self.address.path}",
            data=wire,
            headers={"Content-Type": MEDIA_TYPE, "Accept": MEDIA_TYPE, "Host": self.address.authority},
            server_hostname=self.address.server_name,
            allow_redirects=False,
        ) as response:
            if response.status != 200 or response.content_type != MEDIA_TYPE:
                return failure(FailureKind.GARBAGE, f"HTTP {response.status} {response.content_type}")
            return await _limited(response)

    def _session_now(self) -> "aiohttp.ClientSession":
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self._context, limit=MAX_CONNECTIONS),
                timeout=aiohttp.ClientTimeout(total=TOTAL_S),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


async def _limited(response: "aiohttp.ClientResponse") -> bytes:
    body = b""
    async for chunk in response.content.iter_chunked(MAX_BODY):
        body += chunk
        if len(body) > MAX_BODY:
            break
    return body


class HttpsAttempt:
    """Out once; again where no answer comes, since a kept connection may be dead without a word."""

    left_here = True

    def __init__(self, upstream: HttpsUpstream, request: Request, done: Done) -> None:
        self._upstream, self._request, self._done = upstream, request, done
        self._tries: set[asyncio.Task[None]] = set()

    def again(self) -> None:
        if len(self._tries) < MAX_TRIES:
            self._tries.add(self._upstream.start(self._ask()))

    def cancel(self) -> None:
        for task in self._tries:
            task.cancel()
        self._tries.clear()

    async def _ask(self) -> None:
        result = await self._upstream.exchange(self._request)
        self._tries.discard(cast(asyncio.Task[None], asyncio.current_task()))
        if isinstance(result.outcome, UpstreamFailure) and self._tries:
            return
        self.cancel()
        self._done(result)
