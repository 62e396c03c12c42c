"""Clients in files of networks: changed in place, while everything that is kept for others stays."""

import asyncio
from pathlib import Path

import pytest

from tests.dns64.app.running import PREFIX, eventually, running
from tests.dns64.transport.fake import fake_upstream

MADE = f"{PREFIX}c000:221"
CLIENTS = {"[[client]]": 'name = "dual stack"\nnetwork_files = ["dual.txt"]\ndns64 = false'}


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_client_that_is_added_to_a_file_has_other_answers_soon(tmp_path: Path, workers: int) -> None:
    dual = tmp_path / "dual.txt"
    dual.write_text("# none yet\n2001:db8::1\n")
    async with fake_upstream() as fake, running(tmp_path, fake.port, workers=workers, more=CLIENTS) as one:
        assert await one.addresses("w.t.example") == [MADE]
        asked = len(fake.seen)
        dual.write_text("2001:db8::1\n127.0.0.0/8   # everybody here\n")
        await eventually(lambda: _says(one.addresses("w.t.example"), []))
        dual.write_text("2001:db8::1\n")
        await eventually(lambda: _says(one.addresses("w.t.example"), [MADE]))
        # Nothing that upstreams said was forgotten, and no new rules were made.
        assert len(fake.seen) == asked
        assert {worker["generation"] for worker in (await one.status())["workers"]} == {0}
        assert "reloaded" not in one.log_text()
        assert one.log_text().count(" networks entries=") == 2


async def test_a_file_with_errors_leaves_the_old_members(tmp_path: Path) -> None:
    dual = tmp_path / "dual.txt"
    dual.write_text("127.0.0.1\n")
    async with fake_upstream() as fake, running(tmp_path, fake.port, more=CLIENTS) as one:
        assert await one.addresses("w.t.example") == []
        dual.write_text("192.0.2.1\n10.0.0.0/40\n127.0.0.1/8\n")
        await one.logged("networks-refused errors=2")
        assert await one.addresses("w.t.example") == []
        dual.write_text("192.0.2.1\n")
        await eventually(lambda: _says(one.addresses("w.t.example"), [MADE]))


async def test_replies_kept_for_others_stay(tmp_path: Path) -> None:
    """The memo answers the second question of a client that no change was about."""
    dual = tmp_path / "dual.txt"
    dual.write_text("192.0.2.1\n")
    async with fake_upstream() as fake, running(tmp_path, fake.port, more=CLIENTS) as one:
        for _ in range(2):
            await one.addresses("w.t.example")
        kept = await one.number("memo_entries")
        assert kept >= 1
        dual.write_text("192.0.2.1\n192.0.2.2\n")
        await one.logged("networks entries=2")
        assert await one.number("memo_entries") >= kept
        fast = await one.number("fast_replies_total")
        await one.addresses("w.t.example")
        assert await one.number("fast_replies_total") == fast + 1


async def _says(asking: "asyncio.Future[list[str]] | object", wanted: list[str]) -> bool:
    return bool(await asking == wanted)  # type: ignore[misc]
