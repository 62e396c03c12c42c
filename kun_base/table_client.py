"""One connection to the controller: the request, and its lines within their deadlines (docs/kubernetes.md)."""

import asyncio
import random
import ssl
import zlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from kun_base.table_fields import TableFault
from kun_base.table_lines import MAX_LINE

if TYPE_CHECKING:
    import aiohttp

SILENCE_S = 15.0
CHANGE_S = 60.0
CONNECT_S = 5.0
FIRST_PAUSE_S, LAST_PAUSE_S = 0.2, 10.0
# A connection that held so long was a good one: after it the pauses start again from the first.
GOOD_S = 10.0
PIECE = 64 * 1024
MAX_TOKEN = 4096


class NoTable(Exception):
    """The controller cannot be asked, or ended the stream; the message says why. The table in force stays."""


@dataclass(frozen=True, slots=True)
class TableSource:
    """Where the table comes from. `url`: up to and without /v1/table. `view`: all or exceptions."""

    url: str
    token_file: str = ""
    ca_file: str = ""
    view: str = "all"
    consumer: str = ""
    role: str = "resolver"


@dataclass(slots=True)
class Pauses:
    """How long to wait before the next connection: doubled each time, with jitter of half of it."""

    next_s: float = FIRST_PAUSE_S

    def take(self, lasted_s: float, *, was_fault: bool) -> float:
        """Give the pause after a connection that lasted so long."""
        if lasted_s >= GOOD_S and not was_fault:
            self.next_s = FIRST_PAUSE_S
        now_s, self.next_s = self.next_s, min(self.next_s * 2, LAST_PAUSE_S)
        return now_s * random.uniform(0.5, 1.0)


class _Deadline:
    """Of the next line, and of the whole change that it belongs to."""

    def __init__(self) -> None:
        self._now = asyncio.get_running_loop().time
        self.timeout = asyncio.timeout(SILENCE_S)
        self._change_ends: float | None = None
        self.reason = f"no line for {SILENCE_S:g} s"

    def move(self, *, is_open: bool) -> None:
        """A line has come; `is_open`: it is not the last one of its change."""
        now = self._now()
        if not is_open:
            self._change_ends = None
        elif self._change_ends is None:
            self._change_ends = now + CHANGE_S
        ends = now + SILENCE_S
        if self._change_ends is not None and self._change_ends < ends:
            ends, self.reason = self._change_ends, f"a change was not whole after {CHANGE_S:g} s"
        else:
            self.reason = f"no line for {SILENCE_S:g} s"
        self.timeout.reschedule(ends)


class TableConnection:
    """Asks the controller, one response at a time."""

    def __init__(self, source: TableSource) -> None:
        self.source = source
        self._session: aiohttp.ClientSession | None = None

    async def follow(self, have: str, take: Callable[[bytes], bool]) -> None:
        """Ask for the table, and hand its lines to `take`, which says whether a change is half received.

        Raises NoTable when it ends, TableFault for a line too long, and whatever `take` raises.
        """
        import aiohttp

        asked = {"clients": self.source.view, "consumer": self.source.consumer, "role": self.source.role}
        query = urlencode({**asked, "have": have} if have else asked)
        deadline = _Deadline()
        try:
            async with (
                aiohttp.ClientSession(auto_decompress=False) as self._session,
                deadline.timeout,
                self._session.get(
                    f"{self.source.url}/v1/table?{query}",
                    headers={**_authorization(self.source), "Accept-Encoding": "gzip"},
                    timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
                    ssl=_context(self.source),
                    allow_redirects=False,
                ) as response,
            ):
                if response.status != 200:
                    raise NoTable(await _refusal(response))
                async for line in _split(response):
                    deadline.move(is_open=take(line))
                    await asyncio.sleep(0)
        except TimeoutError:
            raise NoTable(deadline.reason) from None
        except (aiohttp.ClientError, OSError, zlib.error, ValueError) as error:
            raise NoTable(str(error) or type(error).__name__) from None
        finally:
            self._session = None
        raise NoTable("the controller ended the stream")

    async def say_applied(self, version: str) -> None:
        """Tell the controller which version is in force, if there is a connection. It is reported again next time."""
        import aiohttp

        if self._session is None:
            return
        query = {"consumer": self.source.consumer, "role": self.source.role, "version": version}
        try:
            async with (
                asyncio.timeout(CONNECT_S),
                self._session.post(
                    f"{self.source.url}/v1/applied?{urlencode(query)}",
                    headers=_authorization(self.source),
                    ssl=_context(self.source),
                    allow_redirects=False,
                ),
            ):
                return
        except (aiohttp.ClientError, OSError, TimeoutError, RuntimeError, ValueError, NoTable):
            return


async def _split(response: "aiohttp.ClientResponse") -> AsyncIterator[bytes]:
    """Cut the body into lines. What follows the last newline is a line cut off, and dropped."""
    rest = b""
    async for piece in _unpacked(response):
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line
        if len(rest) > MAX_LINE:
            raise TableFault(f"a line is longer than {MAX_LINE} bytes")


async def _unpacked(response: "aiohttp.ClientResponse") -> AsyncIterator[bytes]:
    """Unpack the body a bounded piece at a time: a small packet can unpack to very much."""
    is_packed = response.headers.get("Content-Encoding", "").lower() == "gzip"
    unpack = zlib.decompressobj(wbits=31)
    async for data in response.content.iter_any():
        if not is_packed:
            yield data
            continue
        unpacked = None
        while not unpack.eof and (data or unpacked is None or len(unpacked) == PIECE):
            unpacked = unpack.decompress(data, PIECE)
            data = unpack.unconsumed_tail
            yield unpacked


async def _refusal(response: "aiohttp.ClientResponse") -> str:
    text = (await response.content.read(200)).decode(errors="replace").strip()
    shown = "".join(character if character.isprintable() else " " for character in text)
    return f"the controller answered {response.status}: {shown or response.reason or ''}".rstrip(": ")


def _context(source: TableSource) -> ssl.SSLContext | bool:
    """Make the client's TLS anew for each connection, so that a new CA counts. Raises NoTable."""
    if source.url.startswith("http:"):
        return False
    try:
        return ssl.create_default_context(cafile=source.ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise NoTable(f"ca_file {source.ca_file}: {error}") from None


def _authorization(source: TableSource) -> dict[str, str]:
    """Read the token anew for each request. Raises NoTable."""
    if not source.token_file:
        return {}
    try:
        with Path(source.token_file).open(encoding="ascii") as file:
            lines = file.read(MAX_TOKEN).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise NoTable(f"token_file {source.token_file}: {error}") from None
    token = next((line.strip() for line in lines if line.strip() and not line.startswith("#")), "")
    if not token or not token.isprintable():
        raise NoTable(f"token_file {source.token_file}: must have a token in its first line")
    return {"Authorization": f"Bearer {token}"}
