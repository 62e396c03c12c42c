"""An upstream asked by HTTPS (RFC 8484), on aiohttp, which is imported only when one is configured."""

import asyncio
import ssl
from typing import TYPE_CHECKING

from kun_dns64.config.endpoint import UpstreamAddress
from kun_dns64.formats.response import matches
from kun_dns64.model.step import FailureKind
from kun_dns64.transport.attempt import Attempt, Done, Observed, Request, Result, encode, failure, read
from kun_dns64.transport.health import Health

if TYPE_CHECKING:
    import aiohttp

MEDIA_TYPE = "application/dns-message"
MAX_CONNECTIONS = 8
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
        task = asyncio.get_running_loop().create_task(self._ask(request, done))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return HttpsAttempt(task)

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    async def _ask(self, request: Request, done: Done) -> None:
        done(await self._exchange(request))

    async def _exchange(self, request: Request) -> Result:
        import aiohttp

        # Id 0 keeps equal questions equal octets for HTTP caches (RFC 8484 section 4.1).
        wire, question = encode(request, 0)
        self.observed.asked(wire, self.address)
        try:
            async with self._session_now().post(
                f"https://{self.address.endpoint}{self.address.path}",
                data=wire,
                headers={"Content-Type": MEDIA_TYPE, "Accept": MEDIA_TYPE, "Host": self.address.authority},
                server_hostname=self.address.server_name,
                allow_redirects=False,
            ) as response:
                if response.status != 200 or response.content_type != MEDIA_TYPE:
                    return failure(FailureKind.GARBAGE, f"HTTP {response.status} {response.content_type}")
                body = await _limited(response)
        except TimeoutError:
            return failure(FailureKind.TIMEOUT, "no HTTP response in time")
        except aiohttp.ClientConnectorCertificateError as error:
            return failure(FailureKind.UNREACHABLE, f"certificate: {error.certificate_error}")
        except (aiohttp.ClientError, OSError) as error:
            return failure(FailureKind.UNREACHABLE, str(error) or type(error).__name__)
        finally:
            self.observed.out.discard(wire)
        if len(body) > MAX_BODY or not matches(body, 0, question):
            self.observed.wrong_replies += 1
            return failure(FailureKind.GARBAGE, "the body does not answer the question")
        self.observed.heard(body, self.address)
        return read(body, request)

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
    def __init__(self, task: asyncio.Task[None]) -> None:
        self._task = task

    def again(self) -> None:
        """A stream loses nothing."""

    def cancel(self) -> None:
        self._task.cancel()
