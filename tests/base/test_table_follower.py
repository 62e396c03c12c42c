"""docs/kubernetes.md, "What a consumer does", with real sockets and files."""

import asyncio
import gzip
import io
import itertools
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from kun_base import table_client, table_follower
from kun_base.journal import Journal
from kun_base.table_client import NoTable, Pauses, TableConnection, TableSource
from kun_base.table_fields import TableFault
from kun_base.table_file import FILE_NAME, read_table_file, table_lines, write_table_file
from kun_base.table_follower import FollowPlan, TableFollower
from kun_base.table_intake import RemovalBounds
from kun_base.table_metrics import table_samples
from kun_base.table_state import TableChange
from tests.base.table_world import HEAD, SMALL, Controller, StreamServer, changed, feed, following, gone, pods, until

Answer = Callable[[str, asyncio.StreamWriter], Awaitable[None]]
LINES = Controller().snapshot()


class Watched:
    """A follower, its log, and the changes it told."""

    def __init__(self, url: str = "", folder: Path | None = None, **source: str) -> None:
        asked = TableSource(url, consumer="dns-1", **source) if url else None
        file = folder / FILE_NAME if folder is not None else None
        self.log, self.changes = io.StringIO(), list[TableChange]()
        self.follower = TableFollower(
            FollowPlan(asked, file, RemovalBounds()), Journal("test", stream=self.log), self.changes.append
        )

    @property
    def status(self) -> dict[str, object]:
        return self.follower.status()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Watched"]:
        stop = asyncio.Event()
        self.follower.start()
        task = asyncio.create_task(self.follower.run(stop))
        try:
            yield self
        finally:
            stop.set()
            await task


def text(lines: list[str]) -> bytes:
    return "".join(line + "\n" for line in lines).encode()


def have_of(head: str) -> str:
    """The version that a request says it has."""
    return parse_qs(urlsplit(head.split()[1]).query).get("have", [""])[0]


def saying(*parts: bytes, then_wait: bool = True) -> Answer:
    """An answer of some parts, that ends or stays open."""

    async def answer(_: str, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"\r\n")
        for part in parts:
            writer.write(part)
            await writer.drain()
        if then_wait:
            await asyncio.sleep(60)

    return answer


async def test_the_stream_is_asked_as_the_document_says(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("# consumers\nsesame\n")
    server = StreamServer(saying(text(LINES)))
    async with server.running():
        watched = Watched(server.url, token_file=str(tmp_path / "token"))
        async with watched.running():
            await until(lambda: len(server.requests) > 1)
    first, second = server.requests[:2]
    asked = urlsplit(first.split()[1])
    assert asked.path == "/v1/table"
    assert parse_qs(asked.query) == {"clients": ["all"], "consumer": ["dns-1"], "role": ["resolver"]}
    assert "Authorization: Bearer sesame" in first
    assert "Accept-Encoding: gzip" in first
    assert second.startswith("POST /v1/applied?")
    assert f"version={Controller().view.version}" in second
    assert watched.follower.table.counts() == {"pool": 2, "gateway": 1, "class": 3, "client": 3}


async def test_a_stream_cut_at_every_byte_leaves_nothing_half_applied() -> None:
    kept = [("pool", "standard"), ("class", "default"), ("client", "2002:a01:2::/64")]
    data = text(Controller({key: SMALL[key] for key in kept}).snapshot())
    cut = 0

    async def answer(_: str, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"\r\n" + data[:cut])

    server = StreamServer(answer)
    async with server.running():
        for cut in range(len(data) + 1):
            watched = Watched(server.url)
            follower = watched.follower
            follower._intake.connected("", "all")
            with pytest.raises(NoTable):
                await TableConnection(TableSource(server.url)).follow("", follower._take_line)
            found = sum(follower.table.counts().values())
            # The last byte is the newline of the commit.
            assert found == (len(kept) if cut == len(data) else 0), f"cut at {cut} of {len(data)}"


async def test_a_delta_cut_at_every_byte_leaves_the_old_table_and_is_taken_whole_later() -> None:
    controller = Controller()
    controller.say(pods(3))
    delta = text(controller.view.since(Controller().view.version))
    intake = following(LINES)
    old = intake.table.counts()
    for cut in range(len(delta)):
        intake.connected(intake.have, "all")
        feed(intake, delta[:cut].decode(errors="replace").split("\n")[:-1])
        assert intake.table.counts() == old
        assert intake.have == Controller().view.version
    intake.connected(intake.have, "all")
    feed(intake, delta.decode().splitlines())
    assert intake.table.counts()["client"] == 6


async def test_lines_may_come_a_byte_at_a_time_and_compressed() -> None:
    data = gzip.compress(text(LINES))

    async def answer(_: str, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"Content-Encoding: gzip\r\n\r\n")
        for place in range(len(data)):
            writer.write(data[place : place + 1])
            await writer.drain()
        await asyncio.sleep(60)

    server = StreamServer(answer)
    async with server.running(), Watched(server.url).running() as watched:
        await until(lambda: watched.follower.table.counts()["client"] == 3)


async def test_it_goes_on_from_the_version_it_has_and_after_a_fault_from_nothing() -> None:
    controller = Controller()
    have = [controller.view.version]
    controller.say(pods(1))
    have.append(controller.view.version)
    answers = [
        text(LINES),
        text(controller.view.since(have[0])),
        text([controller.view.heartbeat(0)]),
        b'{"type":"nonsense"}\n',
        text(controller.snapshot()),
    ]
    server = StreamServer(lambda head, writer: saying(answers.pop(0), then_wait=not answers)(head, writer))
    async with server.running(), Watched(server.url).running() as watched:
        await until(lambda: not answers and bool(watched.status["connected"]), 20)
    asked = [
        parse_qs(urlsplit(head.split()[1]).query).get("have", [""])[0] for head in server.requests if head[0] == "G"
    ]
    assert asked == ["", have[0], have[1], have[1], ""]
    assert watched.status["faults"] == 1
    assert watched.follower.table.counts()["client"] == 4
    assert "table not followed" in watched.log.getvalue()
    assert "nonsense" in watched.log.getvalue()


REFUSED = {
    "a status": (
        b"HTTP/1.1 503 Later\r\nRetry-After: 1\r\nConnection: close\r\n\r\nthere is no table\x1b[31m\n",
        "503: there is no table",
    ),
    "a redirection": (
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nConnection: close\r\n\r\n",
        "302",
    ),
    "no HTTP": (b"SSH-2.0-hello\r\n", ""),
    "nothing": (b"", ""),
    "a body that is not gzip": (HEAD + b"Content-Encoding: gzip\r\n\r\nplain text", "incorrect header"),
}


@pytest.mark.parametrize(("reply", "sentence"), REFUSED.values(), ids=REFUSED)
async def test_an_answer_that_is_no_table_is_told_and_changes_nothing(reply: bytes, sentence: str) -> None:
    async def answer(_: str, writer: asyncio.StreamWriter) -> None:
        writer.write(reply)

    server = StreamServer(answer)
    async with server.running(), Watched(server.url).running() as watched:
        await until(lambda: len(server.requests) > 1)
        assert sentence in str(watched.status["error"])
        assert watched.status["error"]
        assert watched.status["connected"] is False
        assert watched.status["faults"] == 0
    assert "\x1b" not in watched.log.getvalue()


async def test_silence_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_client, "SILENCE_S", 0.2)

    async def answer(_: str, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"\r\n" + text(LINES))
        # Bytes are no line.
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    server = StreamServer(answer)
    async with server.running(), Watched(server.url).running() as watched:
        await until(lambda: sum(head.startswith("GET") for head in server.requests) > 1)
        assert "no line for" in watched.log.getvalue()
        assert watched.follower.table.counts()["client"] == 3


async def test_a_change_that_never_ends_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_client, "CHANGE_S", 0.3)

    async def answer(_: str, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"\r\n" + text(LINES[:1]))
        for number in range(10_000):
            entry = f"10.0.{number // 256}.{number % 256}"
            writer.write(
                text([json.dumps({"type": "clients", "class": "a", "namespace": "", "entries": [[entry, "a"]]})])
            )
            await writer.drain()
            await asyncio.sleep(0.01)

    server = StreamServer(answer)
    async with server.running(), Watched(server.url).running() as watched:
        await until(lambda: "a change was not whole after" in watched.log.getvalue())


async def test_a_line_without_end_costs_no_memory() -> None:
    piece = b"x" * 65536

    async def answer(_: str, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(piece * 2000))

    server = StreamServer(answer)
    async with server.running():
        with pytest.raises(TableFault, match="longer than"):
            await TableConnection(TableSource(server.url)).follow("", lambda line: False)


def test_pauses_double_have_jitter_and_start_again_after_a_good_connection() -> None:
    pauses = Pauses()
    taken = [pauses.take(0.1, was_fault=False) for _ in range(8)]
    for found, most in zip(taken, [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0], strict=True):
        assert most / 2 <= found <= most
    assert pauses.take(3600, was_fault=True) >= 5
    assert pauses.take(3600, was_fault=False) <= 0.2
    assert len({Pauses().take(0, was_fault=False) for _ in range(20)}) > 1


async def test_a_token_and_a_ca_are_read_for_each_connection(tmp_path: Path) -> None:
    server = StreamServer(saying(text(LINES), then_wait=False))
    (tmp_path / "token").write_text("one\n")
    async with server.running(), Watched(server.url, token_file=str(tmp_path / "token")).running() as watched:
        await until(lambda: any("Bearer one" in head for head in server.requests))
        (tmp_path / "token").unlink()
        await until(lambda: "token_file" in str(watched.status["error"]))
        (tmp_path / "token").write_text("two")
        await until(lambda: any("Bearer two" in head for head in server.requests))


# The state file.


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
        await until(lambda: "table not kept" in watched.log.getvalue())
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


async def test_status_and_metrics_tell_age_version_and_what_is_held() -> None:
    controller = Controller()
    controller.say(pods(300))
    last = [text(controller.snapshot()), text(controller.say(gone(pods(300))))]
    server = StreamServer(saying(*last))
    async with server.running(), Watched(server.url).running() as watched:
        await until(lambda: watched.status["held"] is not None)
        status = watched.follower.status(time.monotonic() + 100)
    assert 100 <= status["age_s"] < 110
    assert status["committed_at"] == 1_800_000_000
    assert status["held"] == {
        "version": controller.view.version,
        "reason": "it removes 300 of 303 clients",
        "removes": {"pool": 0, "gateway": 0, "class": 0, "client": 300},
    }
    found = {sample.name: sample.value for sample in table_samples(status)}
    assert found["table_held"] == 1
    assert found["table_clients"] == 303
    assert found["table_age_seconds"] >= 100


def test_a_file_of_the_command_is_read_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(text(LINES))
    lines = read_table_file(tmp_path / "t")
    assert len(lines) == len(LINES)
    intake = following(LINES)
    again = list(table_lines(intake.table, replace(intake.in_force)))
    assert following(again).in_force == intake.in_force
