"""Who may read the table of a controller that has no tokens: this host, by its own names, and no web page."""

import asyncio
from collections.abc import Callable

import aiohttp
import pytest

from kun_cluster.serving.table_server import TableServer
from kun_cluster.state.followers import Followers


async def answer(tokens: Callable[[], list[str]] | None, headers: dict[str, str]) -> int:
    """The status for a request of the table, while there is none."""
    server = TableServer({"all": None}, Followers(), tokens, lambda: False)  # type: ignore[dict-item]
    port = await server.start("127.0.0.1", 0, None)
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port}/v1/table", headers=headers) as reply,
        ):
            return reply.status
    finally:
        await server.close()


@pytest.mark.parametrize(
    ("tokens", "headers", "status"),
    [
        (None, {}, 503),
        (None, {"Host": "localhost:1"}, 503),
        (None, {"Host": "evil.example"}, 421),
        (lambda: ["secret"], {}, 401),
        (lambda: ["secret"], {"Authorization": "Bearer other"}, 401),
        (lambda: ["secret"], {"Authorization": "Bearer secret"}, 503),
        (list, {"Authorization": "Bearer "}, 401),
    ],
    ids=["no tokens", "by name", "a rebound name", "no token given", "a wrong one", "the right one", "an empty list"],
)
def test_the_table_is_for_those_who_may_have_it(
    tokens: Callable[[], list[str]] | None, headers: dict[str, str], status: int
) -> None:
    assert asyncio.run(answer(tokens, headers)) == status
