"""Watches the gateways of each pool by their /readyz, so that synthesis knows whether there is a way out."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from kun_dns64.config.settings import GatewayWatch

if TYPE_CHECKING:
    import ssl

    import aiohttp

# One lost poll is not a lost gateway.
FALL = 2
MOST_WORDS = 200
MAX_WAIT_S = 2.0


# By pool and URL: why that gateway is down, "" while it is up.
Seen = Mapping[str, Mapping[str, str]]


class GatewayHealth:
    """Of one gateway, for the log and the page: the answers hang on the pool's."""

    def __init__(self) -> None:
        self.failed_polls, self.why = 0, ""

    def polled(self, why: str) -> None:
        self.failed_polls = self.failed_polls + 1 if why else 0
        if not why or self.failed_polls >= FALL:
            self.why = why


class PoolHealth:
    """Down when no gateway of the pool was up in `FALL` polls running; up again with the first that is."""

    def __init__(self, *, down: bool = False) -> None:
        self.failed_polls = FALL if down else 0

    def polled(self, any_up: bool) -> None:
        self.failed_polls = 0 if any_up else self.failed_polls + 1

    @property
    def down(self) -> bool:
        return self.failed_polls >= FALL


def still_down(down: frozenset[str], before: GatewayWatch, after: GatewayWatch) -> frozenset[str]:
    """Of the pools known to be down, those whose gateways are asked as before."""
    return frozenset(name for name in down if name in after.urls and after.urls[name] == before.urls.get(name))


def _nobody_looks(_seen: "Seen") -> None:
    return None


async def watch(
    gateways: GatewayWatch,
    changed: Callable[[frozenset[str]], Awaitable[None]],
    polled: Callable[["Seen"], None] = _nobody_looks,
    down_before: frozenset[str] = frozenset(),
) -> None:
    """Polls for ever, and tells the names of the pools that are down, first and whenever they are others.

    "" is the default pool. `polled` hears after every poll why each gateway is down. `down_before`: pools that are
    known to be down, and stay so until a gateway answers.
    """
    import aiohttp

    pools = {name: PoolHealth(down=name in down_before) for name in gateways.urls}
    each = {name: {url: GatewayHealth() for url in urls} for name, urls in gateways.urls.items()}
    told: frozenset[str] | None = None
    timeout = aiohttp.ClientTimeout(total=min(gateways.poll_s, MAX_WAIT_S))
    # A kept connection would outlive what it is to prove.
    connector = aiohttp.TCPConnector(force_close=True, ssl=await _trusted(gateways))
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        while True:
            async with asyncio.TaskGroup() as polls:
                answers = {
                    name: [polls.create_task(_why_down(session, url)) for url in urls]
                    for name, urls in gateways.urls.items()
                }
            for name, tasks in answers.items():
                pools[name].polled(any(not task.result() for task in tasks))
                for url, task in zip(gateways.urls[name], tasks, strict=True):
                    each[name][url].polled(task.result())
            polled({name: {url: one.why for url, one in urls.items()} for name, urls in each.items()})
            down = frozenset(name for name, pool in pools.items() if pool.down)
            if down != told:
                told = down
                await changed(down)
            await asyncio.sleep(gateways.poll_s)


async def _trusted(gateways: GatewayWatch) -> "ssl.SSLContext | bool":
    """The authorities for https://. A file that cannot be read yet is waited for."""
    if gateways.ca_file is None:
        return True
    import ssl

    while True:
        try:
            return ssl.create_default_context(cafile=str(gateways.ca_file))
        except OSError:
            await asyncio.sleep(gateways.poll_s)


async def _why_down(session: "aiohttp.ClientSession", url: str) -> str:
    """What is wrong with a gateway, "" for one that is up."""
    import aiohttp

    try:
        async with session.get(url, allow_redirects=False) as response:
            if response.status == 200:
                return ""
            words = (await response.content.read(MOST_WORDS)).decode(errors="replace").strip()
            return f"HTTP status {response.status}: {words}"
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        return str(error) or "no answer in time"
