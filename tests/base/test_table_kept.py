"""The file in which a follower keeps its table (docs/kubernetes.md, "What a consumer does")."""

import asyncio
import io
import itertools
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from kun_base import table_follower
from kun_base.journal import Journal
from kun_base.table_fields import TableFault
from kun_base.table_file import FILE_NAME, read_table_file, table_lines, write_table_file
from kun_base.table_follower import TableFollower
from kun_base.table_state import TableChange
from tests.base.table_world import HEAD, Controller, StreamServer, changed, feed, following, gone, pods, until
from tests.base.watched_follower import LINES, Watched, saying, text


async def test_the_table_is_in_force_from_the_file_before_any_connection(tmp_path: Path) -> None:
    server = StreamServer(saying(text(LINES)))
    async with server.running(), Watched(server.url, tmp_path).running():
        await until((tmp_path / FILE_NAME).is_file)
    dead = Watched("http://127.0.0.1:1", tmp_path)
    dead.follower.start()
    assert dead.follower.table.counts()["client"] == 3
    assert len(dead.changes) == 1
    assert dead.status["version"] == Controller().view.version
    server.requests.clear()
    server.answer = saying(text([Controller().view.heartbeat(0)]))
    async with server.running(), Watched(server.url, tmp_path).running() as again:
        await until(lambda: bool(again.status["connected"]))
    assert f"have={Controller().view.version}" in server.requests[0]


async def test_the_file_is_the_snapshot_of_what_is_in_force(tmp_path: Path) -> None:
    controller = Controller()
    controller.say(pods(1100))
    intake = following(controller.snapshot())
    feed(intake, controller.say({**gone(pods(10)), **pods(10, "native", start=20)}))
    await write_table_file(tmp_path / "t", intake.table, intake.in_force)
    other = following([line.decode() for line in (tmp_path / "t").read_bytes().splitlines()])
    assert other.in_force == intake.in_force
    assert other.table.clients == intake.table.clients
    assert other.table.classes == intake.table.classes
    assert os.listdir(tmp_path) == ["t"]


async def test_a_file_that_fails_its_check_is_left_and_not_used(tmp_path: Path) -> None:
    data = text(LINES)
    file = tmp_path / FILE_NAME
    broken = [data[:cut] for cut in range(0, len(data), 7)]
    broken += [data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :] for place in range(0, len(data), 11)]
    broken += [data + data, data + b"\n", b"\xff\xfe", text(LINES[::-1])]
    for one in broken:
        file.write_bytes(one)
        watched = Watched("http://127.0.0.1:1", tmp_path)
        watched.follower.start()
        found = sum(watched.follower.table.counts().values())
        # A changed letter in the time, the revision or the name of the cluster is not part of the version.
        if found:
            assert len(one) == len(data)
            assert watched.status["version"] == Controller().view.version
        else:
            assert FILE_NAME in str(watched.status["error"])
            assert watched.status["faults"] == 1
        assert file.read_bytes() == one


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe"])
def test_what_is_no_file_is_no_table(kind: str, tmp_path: Path) -> None:
    if kind == "folder":
        (tmp_path / FILE_NAME).mkdir()
    if kind == "pipe":
        os.mkfifo(tmp_path / FILE_NAME)
    watched = Watched("http://127.0.0.1:1", tmp_path)
    watched.follower.start()
    assert not watched.changes
    assert bool(watched.status["error"]) == (kind != "missing")


async def test_many_changes_are_written_once_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = list[float]()

    async def note(*args: object) -> None:
        written.append(time.monotonic())

    monkeypatch.setattr(table_follower, "write_table_file", note)
    controller = Controller()

    async def answer(_: str, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"\r\n" + text(LINES))
        for number in range(60):
            writer.write(text(controller.say(pods(1, start=number + 1))))
            await writer.drain()
            await asyncio.sleep(0.02)
        await asyncio.sleep(60)

    server = StreamServer(answer)
    async with server.running(), Watched(server.url, tmp_path).running() as watched:
        await until(lambda: watched.follower.table.counts()["client"] == 63)
        await until(lambda: len(written) > 1)
        during = list(written)
    # The end of the program does not wait.
    assert all(later - one > 0.95 for one, later in itertools.pairwise(during))


async def test_a_full_disk_is_told_and_the_table_stays_in_force(tmp_path: Path) -> None:
    server = StreamServer(saying(text(LINES)))
    async with server.running(), Watched(server.url, tmp_path / "no" / "folder").running() as watched:
        await until(lambda: "table-not-kept" in watched.log.getvalue())
        assert watched.follower.table.counts()["client"] == 3


async def test_without_a_controller_the_file_is_taken_again_when_it_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_follower, "LOOK_S", 0.02)
    file, new = tmp_path / FILE_NAME, tmp_path / "new"

    def replace_by(lines: list[str]) -> None:
        new.write_bytes(text(lines))
        new.replace(file)

    watched = Watched(folder=tmp_path)
    async with watched.running():
        assert watched.status["version"] == "0" * 32
        replace_by([*LINES[:-1], changed(LINES[-1], version="")])
        await until(lambda: watched.status["version"] == Controller().view.version)
        more = Controller()
        more.say(pods(200), revision=0)
        replace_by(more.snapshot())
        await until(lambda: watched.follower.table.counts()["client"] == 203)
        replace_by(LINES)
        await until(lambda: watched.status["held"] is not None)
        assert watched.follower.table.counts()["client"] == 203
        assert watched.follower.accept()
        assert watched.follower.table.counts()["client"] == 3
        file.unlink()
        await asyncio.sleep(0.1)
        replace_by(more.snapshot()[:-1])
        await until(lambda: "one snapshot" in str(watched.status["error"]))
        assert watched.follower.table.counts()["client"] == 3
    assert file.read_bytes() == text(more.snapshot()[:-1])


def test_a_check_of_the_consumer_comes_before_the_table_is_in_force(tmp_path: Path) -> None:
    def refuse(change: TableChange) -> None:
        raise TableFault("not with me")

    (tmp_path / FILE_NAME).write_bytes(text(LINES))
    watched = Watched(folder=tmp_path)
    follower = TableFollower(
        watched.follower.plan, Journal("test", stream=io.StringIO()), watched.changes.append, refuse
    )
    follower.start()
    assert not watched.changes
    assert "not with me" in follower.status()["error"]


def test_a_file_of_the_command_is_read_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(text(LINES))
    lines = read_table_file(tmp_path / "t")
    assert len(lines) == len(LINES)
    intake = following(LINES)
    again = list(table_lines(intake.table, replace(intake.in_force)))
    assert following(again).in_force == intake.in_force
