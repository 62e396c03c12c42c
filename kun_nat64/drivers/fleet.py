"""Asks the other gateways how they are, over their admin ports."""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kun_nat64.formats import memberstatus
from kun_nat64.model.fleet import Fleet, Member

if TYPE_CHECKING:
    import ssl

    from aiohttp import ClientResponse, ClientSession

LARGEST_STATUS = 1 << 20
# For the page /fleet: whoever reads it does not make the members work.
WHOLE_S, WHOLE_EVERY_S = 1.5, 1.0
# RFC 7240: a member that does not know it gives its whole status.
BRIEFLY = {"Prefer": "return=minimal"}


@dataclass(frozen=True, slots=True)
class Own:
    """Of the agent that asks."""

    identity: str = ""
    vip: str = ""
    prefix: str = ""


class FleetWatch:
    """`look` asks all members at once. One that does not answer in time is not part of the fleet that is returned.

    Nor is one that cannot take our place, see `misnamed`: with it, the last gateway would not know that it is.
    """

    def __init__(self, members: tuple[str, ...], timeout_s: float, own: Own = Own(), ca_file: str = "") -> None:
        self._session: ClientSession | None = None
        self._whole: dict[str, Any] = {}
        self._whole_at = float("-inf")
        self._ca_file = ca_file
        self.take(members, timeout_s, own)

    def take(self, members: tuple[str, ...], timeout_s: float, own: Own = Own()) -> None:
        self._members, self._timeout_s, self._own = members, timeout_s, own
        self.problems: dict[str, str] = {}
        self.misnamed: dict[str, str] = {}

    async def look(self) -> Fleet:
        if not self._members:
            return Fleet()
        found = [one for one in await asyncio.gather(*map(self._ask, self._members)) if one is not None]
        self.misnamed = {one.url: why for one in found if (why := self._why_not(one))}
        members = tuple(one for one in found if one.url not in self.misnamed)
        return Fleet(len(self._members) - len(self.misnamed), members, dict(self.problems))

    async def whole(self) -> dict[str, Any]:
        """Each member's whole status by URL, or why there is none, as a string. Asked once a second at most."""
        now = time.monotonic()
        if now - self._whole_at >= WHOLE_EVERY_S:
            self._whole_at = now
            found = await asyncio.gather(*map(self._whole_of, self._members))
            self._whole = dict(zip(self._members, found, strict=True))
        return self._whole

    async def _whole_of(self, url: str) -> Any:
        from aiohttp import ClientError

        try:
            async with asyncio.timeout(WHOLE_S):
                return json.loads(await self._body(url, {}))
        except (ClientError, OSError, TimeoutError, ValueError, RecursionError) as error:
            return str(error) or type(error).__name__

    def _why_not(self, member: Member) -> str:
        if member.identity and member.identity == self._own.identity:
            return "is this gateway itself"
        if member.vip and self._own.vip not in ("", member.vip):
            return f"announces another VIP, {member.vip}"
        if member.prefix and self._own.prefix not in ("", member.prefix):
            return f"translates another prefix, {member.prefix}"
        return ""

    async def _ask(self, url: str) -> Member | None:
        from aiohttp import ClientError

        try:
            async with asyncio.timeout(self._timeout_s):
                member = await self._fetch(url)
        except (ClientError, OSError, TimeoutError, ValueError) as error:
            self.problems[url] = str(error) or type(error).__name__
            return None
        self.problems.pop(url, None)
        return member

    async def _fetch(self, url: str) -> Member:
        # The answer is about now or earlier: the time of asking never makes it look fresher than it is.
        asked_at = time.monotonic()
        return memberstatus.read(await self._body(url, BRIEFLY), url, seen_at=asked_at)

    async def _body(self, url: str, headers: Mapping[str, str]) -> bytes:
        from aiohttp import ClientSession, TCPConnector

        if self._session is None:
            self._session = ClientSession(connector=TCPConnector(limit_per_host=1, ssl=_trusted(self._ca_file)))
        async with self._session.get(f"{url.rstrip('/')}/status", headers=headers, allow_redirects=False) as answer:
            if answer.status != 200:
                raise ValueError(f"HTTP status {answer.status}")
            return await _bounded(answer)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


def _trusted(ca_file: str) -> "ssl.SSLContext | bool":
    """The authorities for https://. Raises OSError when they cannot be read: then no member can be asked."""
    if not ca_file:
        return True
    import ssl

    return ssl.create_default_context(cafile=ca_file)


async def _bounded(answer: "ClientResponse") -> bytes:
    """The whole body. Raises ValueError for one that is too large, whatever its length was said to be."""
    body = bytearray()
    async for part in answer.content.iter_any():
        body += part
        if len(body) > LARGEST_STATUS:
            raise ValueError("status is too large")
    return bytes(body)
