"""Answers one question with the server's own code, without listening sockets."""

import asyncio

from kun_base.journal import Journal
from kun_dns64.config.settings import Settings
from kun_dns64.fastpath.selection import choose_parts
from kun_dns64.model.message import Query
from kun_dns64.serving.server import Server
from kun_dns64.serving.worker_group import Explanation


def ask_once(settings: Settings, query: Query) -> Explanation:
    return asyncio.run(_ask(settings, query))


async def _ask(settings: Settings, query: Query) -> Explanation:
    server = Server(settings, (), Journal("kun-dns64", level="error"), (bytes(16),), choose_parts())
    await server.start()
    try:
        return await server.explain(query)
    finally:
        await server.stop()
