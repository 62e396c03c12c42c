"""Watches the gateways of each pool by their /readyz, so that synthesis knows whether there is a way out."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from kun_dns64.config.settings import GatewayWatch

if TYPE_CHECKING:
    import ssl

    import aiohttp

# One lost poll is not a lost gateway.
FALL = 2
MAX_WAIT_S = 2.0


class PoolHealth:
    """Down when no gateway of the pool was up in `FALL` polls running; up again with the first that is."""

    def __init__(self) -> None:
        self.failed_polls = 0

    def polled(self, any_up: bool) -> None:
        self.failed_polls = 0 if any_up else self.failed_polls + 1

    @property
    def down(self) -> bool:
        return self.failed_polls >= FALL


async def watch(gateways: GatewayWatch, changed: Callable[[frozenset[str]], Awaitable[None]]) -> None:
    """Polls for ever, and tells the names of the pools that are down, first and whenever they are others.

    "" is the default pool.
    """
    import aiohttp

    pools = {name: PoolHealth() for name in gateways.urls}
    told: frozenset[str] | None = None
    timeout = aiohttp.ClientTimeout(total=min(gateways.poll_s, MAX_WAIT_S))
    # A kept connection would outlive what it is to prove.
    connector = aiohttp.TCPConnector(force_close=True, ssl=await _trusted(gateways))
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        while True:
            async with asyncio.TaskGroup() as polls:
                answers = {
                    name: [polls.create_task(_is_up(session, url)) for url in urls]
                    for name, urls in gateways.urls.items()
                }
            for name, tasks in answers.items():
                pools[name].polled(any(task.result() for task in tasks))
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


async def _is_up(session: "aiohttp.ClientSession", url: str) -> bool:
    import aiohttp

    try:
        async with session.get(url, allow_redirects=False) as response:
            return response.status == 200
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return False
