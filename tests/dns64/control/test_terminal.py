"""`top --watch`, `status --watch` and `test` on a terminal of 80 columns and 24 lines, against a real server."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.dns64.app.running import PROGRAM, Running, running
from tests.dns64.transport.fake import fake_upstream
from tests.terminal import COLUMNS, Seen, on_a_terminal

LONG_NAME = ".".join(["a" * 60] * 3) + ".example."


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Running]:
    async with fake_upstream() as fake, running(tmp_path, fake.port) as one:
        await one.logged("control-socket path=")
        yield one


async def shown(one: Running, words: list[str], until: str, then: bytes | signal.Signals) -> Seen:
    """With one name asked all the time."""
    argv = [str(PROGRAM), *words]
    looking = asyncio.create_task(
        asyncio.to_thread(lambda: on_a_terminal(argv, until=lambda screen: until in screen.text(), then=then))
    )
    while not looking.done():
        await one.ask(LONG_NAME)
        await asyncio.sleep(0.02)
    return await looking


async def test_what_is_watched_fits_and_ends(server: Running) -> None:
    for words, until, then in (
        (["top"], "aaaa", b"q"),
        (["top"], "aaaa", b"\x03"),
        (["status"], "ready", b"q"),
        (["status"], "ready", signal.SIGTERM),
    ):
        seen = await shown(server, [*words, "--watch", "--config", str(server.config)], until, then)
        assert seen.screen.wraps == []
        assert any(until in frame for frame in [*seen.screen.frames, seen.screen.text()])
        assert seen.restored
        assert (seen.screen.alternate, seen.screen.cursor, seen.code) == (False, True, 0)
        assert "Traceback" not in seen.written
    seen = await shown(server, ["test", "--server", f"127.0.0.1:{server.port}"], "never", b"")
    assert seen.screen.wraps == []
    assert max(map(len, seen.written.splitlines())) <= COLUMNS
    assert "prefix (RFC 7050)" in seen.written
