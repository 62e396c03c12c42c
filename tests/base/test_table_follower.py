"""docs/kubernetes.md, "What a consumer does", with real sockets and files."""

import asyncio
import gzip
import json
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from kun_base import table_client
from kun_base.table_client import NoTable, Pauses, TableConnection, TableSource
from kun_base.table_fields import TableFault
from kun_base.table_metrics import table_samples
from tests.base.table_world import HEAD, SMALL, Controller, StreamServer, feed, following, gone, pods, until
from tests.base.watched_follower import LINES, Watched, saying, text


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
    assert "table-not-followed" in watched.log.getvalue()
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
