"""Carry out an operator's command in one worker: flush, look into the cache, sample queries, set the log level."""

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import Any

from kun_dns64.cache.inspection import CacheRow, is_below, rows
from kun_dns64.serving.query_sample import sample
from kun_dns64.serving.server import Server

# Keys looked at before other work gets its turn.
SLICE = 5000


async def perform(server: Server, command: str, arguments: Sequence[Any]) -> Any:
    """Carry out a command and return its result. Raises ValueError for an unknown command."""
    match command:
        case "flush-all":
            return flush_all(server)
        case "flush":
            return await flush(server, *arguments)
        case "cache":
            return cached(server, *arguments)
        case "sample":
            return await sample(server.front, *arguments)
        case "pulse":
            return server.pulse()
        case "log-level":
            return server.set_log_level(*arguments)
    raise ValueError(f"unknown command {command!r}")


def flush_all(server: Server) -> int:
    """Forget every answer, failure and finished reply; return how many answers and failures there were."""
    cache = server.resolver.cache
    count = len(cache) + len(cache.stores()[1])
    cache.clear()
    server.front.renew()
    return count


async def flush(server: Server, name: bytes, tree: bool) -> int:
    """Forget what is kept for `name` (lower case, wire format), with `tree` below it too; return how many entries."""
    count = 0
    for store in server.resolver.cache.stores()[:2]:
        for number, key in enumerate(store.keys()):
            if number % SLICE == SLICE - 1:
                await asyncio.sleep(0)
            if is_below(key, name) and (tree or key.startswith(name)):
                store.drop(key)
                count += 1
    # Finished replies are kept by packet: all of them are made again from what the cache still holds.
    server.front.renew()
    return count


def cached(server: Server, name: bytes) -> list[CacheRow]:
    return list(rows(server.resolver.cache, name, monotonic()))
