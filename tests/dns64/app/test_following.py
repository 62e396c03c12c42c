"""`[follow]` with the real program: the table in force, changed in place, kept, held, and gone on with."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from kun_dns64.cli.running_server import Target
from tests.base.table_world import DEFAULT, HEAD, NATIVE, SMALL, Controller, StreamServer, changed, gone, pods
from tests.dns64.app.running import PREFIX, Running, eventually, running
from tests.dns64.transport.fake import fake_upstream

MADE, STANDARD, OVERSEAS = (f"{prefix}c000:221" for prefix in (PREFIX, "2002:cb00:7101::", "2002:cb00:7181::"))
HERE = ("client", "127.0.0.1")
Records = dict[tuple[str, str], Any]


class Stream:
    """A controller that serves its view as the document says; `say` changes it."""

    def __init__(self, records: Records | None = None) -> None:
        self.controller = Controller({**SMALL, **(records or {})})
        self.server = StreamServer(self._answer)
        self._changed = asyncio.Event()
        self._cut = asyncio.Event()

    def say(self, records: Records) -> None:
        self.controller.say(records)
        before, self._changed = self._changed, asyncio.Event()
        before.set()

    def cut(self) -> None:
        before, self._cut = self._cut, asyncio.Event()
        before.set()

    @property
    def asked(self) -> list[str]:
        """What each connection said it has."""
        heads = [head for head in self.server.requests if head.startswith("GET")]
        return [parse_qs(urlsplit(head.split()[1]).query).get("have", [""])[0] for head in heads]

    async def _answer(self, head: str, writer: asyncio.StreamWriter) -> None:
        view, cut = self.controller.view, self._cut
        sent = parse_qs(urlsplit(head.split()[1]).query).get("have", [""])[0]
        writer.write(HEAD + b"\r\n")
        lines = [view.heartbeat(0.0)] if sent == view.version else view.since(sent) if sent else view.snapshot()
        while not cut.is_set():
            writer.write("".join(line + "\n" for line in lines).encode())
            await writer.drain()
            sent, change = view.version, self._changed
            waits = [asyncio.create_task(event.wait()) for event in (change, cut)]
            done, _ = await asyncio.wait(waits, timeout=2, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
            lines = view.since(sent) if done and view.version != sent else [view.heartbeat(0.0)]


@asynccontextmanager
async def following(
    folder: Path, stream: Stream, *, workers: int = 1, upstream: int, more: dict[str, str] | None = None
) -> AsyncIterator[Running]:
    keys = f'url = "{stream.server.url}"\nstate_dir = "state"\nconsumer = "dns-1"'
    (folder / "state").mkdir(exist_ok=True)
    async with running(folder, upstream, workers=workers, more={"[follow]": keys, **(more or {})}) as one:
        yield one


async def says(one: Running, wanted: list[str], name: str = "w.t.example") -> bool:
    return bool(await one.addresses(name) == wanted)


async def until_says(one: Running, wanted: list[str], name: str = "w.t.example") -> None:
    await eventually(lambda: says(one, wanted, name))


async def ask_socket(one: Running, path: str, method: str = "GET", **fields: str) -> Any:
    target = Target(one.config.parent / "c.sock", None)
    return await asyncio.to_thread(lambda: target.ask(path, fields or None, method=method).value)


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_pod_that_flips_has_other_answers_and_nobody_else_notices(tmp_path: Path, workers: int) -> None:
    stream = Stream({HERE: _client("default")})
    async with (
        fake_upstream() as fake,
        stream.server.running(),
        following(tmp_path, stream, workers=workers, upstream=fake.port) as one,
    ):
        await until_says(one, [STANDARD])
        generation = {worker["generation"] for worker in (await one.status())["workers"]}
        asked = len(fake.seen)
        for _ in range(3):
            stream.say({HERE: _client("native")})
            await until_says(one, [])
            stream.say({HERE: _client("default")})
            await until_says(one, [STANDARD])
        stream.say({HERE: _client("team-00/web")})
        await until_says(one, [OVERSEAS])
        stream.say(gone([HERE]))
        await until_says(one, [MADE])
        # Nothing that upstreams said was forgotten, and no new rules were made.
        assert len(fake.seen) == asked
        assert {worker["generation"] for worker in (await one.status())["workers"]} == generation


async def test_replies_kept_for_others_stay(tmp_path: Path) -> None:
    stream = Stream({HERE: _client("default")})
    async with fake_upstream() as fake, stream.server.running(), following(tmp_path, stream, upstream=fake.port) as one:
        await until_says(one, [STANDARD])
        for _ in range(3):
            await one.addresses("w.t.example")
        kept = await one.number("memo_entries")
        assert kept >= 1
        stream.say(pods(700, "native"))
        await one.until("table_clients", 704)
        assert await one.number("memo_entries") >= kept
        fast = await one.number("fast_replies_total")
        await one.addresses("w.t.example")
        assert await one.number("fast_replies_total") == fast + 1


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_class_and_a_pool_that_change_make_new_rules(tmp_path: Path, workers: int) -> None:
    stream = Stream({HERE: _client("default")})
    async with (
        fake_upstream() as fake,
        stream.server.running(),
        following(tmp_path, stream, workers=workers, upstream=fake.port) as one,
    ):
        await until_says(one, [STANDARD])
        by_name = replace(DEFAULT, domains=(("t.example", "overseas"),))
        stream.say({("class", "own"): by_name, HERE: _client("own")})
        await until_says(one, [OVERSEAS])
        stream.say({("class", "own"): NATIVE})
        await until_says(one, [])
        stream.say({("class", "own"): replace(DEFAULT, filter_a=True)})
        await until_says(one, [STANDARD])
        assert not (await one.ask("w.t.example", "A")).answer


async def test_it_goes_on_without_its_controller_and_starts_without_it(tmp_path: Path) -> None:
    stream = Stream({HERE: _client("team-00/web")})
    async with fake_upstream() as fake:
        async with stream.server.running(), following(tmp_path, stream, workers=2, upstream=fake.port) as one:
            await until_says(one, [OVERSEAS])
            stream.cut()
            await eventually(lambda: _has(one, "connected", True))
            assert stream.asked[1] == stream.controller.view.version
        version = stream.controller.view.version
        async with following(tmp_path, stream, workers=2, upstream=fake.port) as one:
            # The first question of all, while nobody listens at the controller's port.
            assert await one.addresses("w.t.example") == [OVERSEAS]
            told = (await one.status())["follow"]
            assert (told["version"], told["connected"]) == (version, False)
            await eventually(lambda: _has(one, "error", ""))
            assert await one.number("table_connected") == 0


async def test_a_worker_that_is_born_later_knows_the_table(tmp_path: Path) -> None:
    import os
    import signal

    stream = Stream({HERE: _client("default")})
    async with (
        fake_upstream() as fake,
        stream.server.running(),
        following(tmp_path, stream, workers=2, upstream=fake.port) as one,
    ):
        await until_says(one, [STANDARD])
        stream.say({HERE: _client("team-00/web")})
        await until_says(one, [OVERSEAS])
        for worker in (await one.status())["workers"]:
            os.kill(worker["pid"], signal.SIGKILL)
        await eventually(lambda: _answers(one))
        for number in range(20):
            assert await one.addresses(f"w{number}.t.example") in ([OVERSEAS], [])


async def test_a_change_that_removes_too_much_waits_for_somebody(tmp_path: Path) -> None:
    stream = Stream({HERE: _client("team-00/web"), **pods(300)})
    async with fake_upstream() as fake, stream.server.running(), following(tmp_path, stream, upstream=fake.port) as one:
        await until_says(one, [OVERSEAS])
        stream.say({**gone(pods(300)), HERE: _client("native")})
        await one.until("table_held", 1)
        assert await one.addresses("w.t.example") == [OVERSEAS]
        held = (await ask_socket(one, "/table"))["held"]
        assert held["removes"]["client"] == 300
        wrong = await ask_socket(one, "/table/accept", "POST", version="0" * 32)
        assert held["version"] in wrong["error"]
        assert (await ask_socket(one, "/table/accept", "POST", version=held["version"]))["held"] is None
        await until_says(one, [])
        assert "no change is held" in (await ask_socket(one, "/table/accept", "POST"))["error"]


async def test_explain_clients_and_tail_name_the_pod(tmp_path: Path) -> None:
    stream = Stream({HERE: _client("team-00/web")})
    async with (
        fake_upstream() as fake,
        stream.server.running(),
        following(tmp_path, stream, workers=2, upstream=fake.port) as one,
    ):
        await until_says(one, [OVERSEAS])
        told = json.loads((await one.page("/explain?name=w.t.example&client=127.0.0.1"))[1])
        assert told["followed"] == {
            "network": "127.0.0.1",
            "namespace": "team-07",
            "pod": "here",
            "class": "team-00/web",
            "policy": "team-00/web",
        }
        assert told["notes"][0]["text"] == "127.0.0.1 is team-07/here: class team-00/web, policy team-00/web"
        assert any("pool table:overseas" in note["text"] for note in told["notes"])
        node = await ask_socket(one, "/clients", address="2002:a01:2::99")
        assert (node["class"], node["followed"]["pod"]) == ("default", "node/n1")
        assert (await ask_socket(one, "/clients", address="192.0.2.1"))["followed"] is None
        looking = asyncio.create_task(ask_socket(one, "/tail", seconds="1"))
        await asyncio.sleep(0.3)
        await one.addresses("w.t.example")
        rows = (await looking)["queries"]
        assert [(row["namespace"], row["pod"], row["policy"]) for row in rows] == [("team-07", "here", "team-00/web")]


async def test_a_reload_follows_another_table_or_none(tmp_path: Path) -> None:
    stream, other = Stream({HERE: _client("team-00/web")}), Stream({HERE: _client("native")})
    async with (
        fake_upstream() as fake,
        stream.server.running(),
        other.server.running(),
        following(tmp_path, stream, workers=2, upstream=fake.port) as one,
    ):
        await until_says(one, [OVERSEAS])
        text = one.config.read_text()
        one.config.write_text(text.replace(stream.server.url, other.server.url).replace('"state"', '"other"'))
        one.hang_up()
        await until_says(one, [])
        one.config.write_text(text.partition("[follow]")[0])
        one.hang_up()
        await until_says(one, [MADE])
        assert (await one.status())["follow"] is None
        one.config.write_text(text)
        one.hang_up()
        await until_says(one, [OVERSEAS])
        one.config.write_text(text.replace("http://", "https://"))
        one.hang_up()
        await eventually(lambda: _has(one, "connected", False))
        assert await one.addresses("w.t.example") == [OVERSEAS]


async def test_a_file_alone_is_followed(tmp_path: Path) -> None:
    controller = Controller({**SMALL, HERE: _client("team-00/web")})
    place = tmp_path / "table.jsonl"

    def put() -> None:
        lines = controller.snapshot()
        (tmp_path / "new").write_text("".join(line + "\n" for line in [*lines[:-1], changed(lines[-1], version="")]))
        (tmp_path / "new").replace(place)

    put()
    more = {"[follow]": f'url = "file://{place}"'}
    async with fake_upstream() as fake, running(tmp_path, fake.port, workers=2, more=more) as one:
        assert await one.addresses("w.t.example") == [OVERSEAS]
        controller.say({HERE: _client("native")})
        put()
        await until_says(one, [])
        place.write_text("nonsense\n")
        await eventually(lambda: _has(one, "faults", 1))
        assert await one.addresses("w.t.example") == []


async def test_a_stream_that_lies_changes_nothing(tmp_path: Path) -> None:
    stream = Stream({HERE: _client("team-00/web")})
    async with fake_upstream() as fake, stream.server.running(), following(tmp_path, stream, upstream=fake.port) as one:
        await until_says(one, [OVERSEAS])
        good = stream.server.answer

        async def lie(_: str, writer: asyncio.StreamWriter) -> None:
            lines = Controller({**SMALL, HERE: _client("native")}).snapshot()
            writer.write(HEAD + b"\r\n" + "".join(f"{line}\n" for line in [*lines[:-2], lines[-1]]).encode())
            await writer.drain()
            await asyncio.sleep(1)

        stream.server.answer = lie
        stream.cut()
        await eventually(lambda: _has(one, "faults", 1))
        assert await one.addresses("w.t.example") == [OVERSEAS]
        stream.server.answer = good
        await eventually(lambda: _has(one, "connected", True))
        assert await one.addresses("w.t.example") == [OVERSEAS]


def _client(class_name: str) -> Any:
    from kun_cluster.model.table import Client

    return Client(class_name, "team-07", "here")


async def _has(one: Running, key: str, wanted: object) -> bool:
    """For `error`: whether there is one."""
    found = (await one.status())["follow"]
    return bool(found is not None and (found[key] != "" if key == "error" else found[key] == wanted))


async def _answers(one: Running) -> bool:
    try:
        return await one.addresses("w.t.example") == [OVERSEAS]
    except OSError:
        return False
