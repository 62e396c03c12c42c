"""The body of a watch, line by line, by aiohttp; lightkube reads the kubeconfig, the certificates and the credentials.

lightkube's own HTTP client reads a stream in pure Python: twice the CPU of everything else that an event costs here.
"""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import httpx2
from lightkube.config.client_adapter import user_auth, verify_cluster
from lightkube.config.kubeconfig import SingleConfig
from lightkube.core.exceptions import ConfigError

from kun_cluster.watch.kube_error import KubeError, words_of

CONNECT_S = 10.0
MAX_LINE = 8 * 1024 * 1024
UNAUTHORIZED = 401
# What lightkube raises for a token file that is away, or for a program that gives no token. Both may be back soon.
UNUSABLE = (ConfigError, OSError, ValueError, KeyError, TypeError, AttributeError)


class WatchStream:
    """One connection for each watch. Raises what lightkube raises for credentials it cannot use."""

    def __init__(self, config: SingleConfig) -> None:
        self._server = config.cluster.server.rstrip("/")
        assert config.user is not None, "no user"
        self._context = verify_cluster(config.cluster, config.user, config.abs_file, trust_env=False)
        self._auth = user_auth(config.user)
        self._session: aiohttp.ClientSession | None = None

    async def lines(self, path: str, parameters: dict[str, str], silence_s: float) -> AsyncIterator[bytes]:
        """Give the lines of a watch, until the server ends it. Raises KubeError, also after `silence_s` of silence."""
        session = self._session = self._session or aiohttp.ClientSession(auto_decompress=False)
        timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_S, sock_connect=CONNECT_S, sock_read=silence_s)
        url = f"{self._server}/{path}"
        try:
            # Compressed, an event could wait in the compressor for the next one.
            headers = {"Accept-Encoding": "identity", **await self._credentials(are_refused=False)}
            response = await session.get(url, params=parameters, headers=headers, timeout=timeout, ssl=self._context)
            if response.status == UNAUTHORIZED:
                response.close()
                headers |= await self._credentials(are_refused=True)
                response = await session.get(
                    url, params=parameters, headers=headers, timeout=timeout, ssl=self._context
                )
            async with response:
                if response.status != 200:
                    raise _refusal(response.status, await response.content.read(65536))
                async for line in split(response.content.iter_any()):
                    yield line
        except (aiohttp.ClientError, TimeoutError, *UNUSABLE) as error:
            raise KubeError(0, words_of(error)) from None

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    async def _credentials(self, *, are_refused: bool) -> dict[str, str]:
        """The header that lightkube would send; `are_refused`: those that it would send after a 401."""
        if self._auth is None:
            return {}
        request = httpx2.Request("GET", self._server)
        flow = self._auth.async_auth_flow(request)
        try:
            request = await anext(flow)
            if are_refused:
                request = await flow.asend(httpx2.Response(UNAUTHORIZED, request=request))
        except StopAsyncIteration:
            pass
        finally:
            await flow.aclose()
        found = request.headers.get("Authorization")
        return {"Authorization": found} if found else {}


async def split(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Lines of a stream of bytes; a pod may be longer than a reader's usual limit. Raises KubeError beyond 8 MiB."""
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line:
                yield line
        if len(rest) > MAX_LINE:
            raise KubeError(0, f"a line of more than {MAX_LINE} bytes")


def _refusal(code: int, body: bytes) -> KubeError:
    """The API server's Status object in an answer that is none of a watch, or what else is in it."""
    try:
        found: Any = json.loads(body)
        return KubeError(int(found.get("code") or code), str(found.get("message") or ""))
    except (ValueError, AttributeError, TypeError):
        return KubeError(code, body.decode(errors="replace")[:300])
