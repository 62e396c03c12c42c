"""Reloads and gateways as the control side sees them, over a fleet that only notes what it is told."""

import asyncio
import io
import os
import pickle
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kun_base.adminhttp import AdminServer
from kun_base.journal import Journal
from kun_base.tomltext import Document, read_document
from kun_dns64.config.background_load import Source, handed_over
from kun_dns64.config.flags import Flags
from kun_dns64.config.settings import GatewayWatch, Settings
from kun_dns64.control.control_loop import Control
from kun_dns64.control.gateway_watch import watch
from kun_dns64.model.message import Query
from kun_dns64.processes.supervisor import Crew, Supervisor
from kun_dns64.serving.worker_group import Explanation, WorkerStatus
from kun_dns64.state.metrics import Metrics
from tests.dns64.app.running import eventually

TEXT = '[upstream]\nservers = ["udp://192.0.2.53"]\n[admin]\nlisten = ""\n'

# Also what an answer may take: two late ones in a row are a gateway that is down.
POLL_S = 0.4


class NotingFleet:
    """`trouble` is raised by changes; they wait for `may_change`, and `changing` tells that one does."""

    fixed_keys: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.settings: list[Settings] = []
        self.pools_down: list[frozenset[str]] = []
        self.trouble: Exception | None = None
        self.may_change = asyncio.Event()
        self.may_change.set()
        self.changing = False

    async def ask_workers(self, command: str, *arguments: Any) -> list[Any]:
        return []

    async def numbers(self) -> Metrics:
        return Metrics()

    async def standing(self) -> WorkerStatus:
        return WorkerStatus(forward=True, workers=())

    async def explain(self, query: Query) -> Explanation:
        raise OSError

    async def use_gateways(self, pools_down: frozenset[str], generation: int) -> None:
        self.pools_down.append(pools_down)

    async def change(self, settings: Settings) -> None:
        self.changing = True
        await self.may_change.wait()
        self.changing = False
        if self.trouble is not None:
            raise self.trouble
        self.settings.append(settings)


def control_of(source: Source, fleet: NotingFleet) -> Control:
    return Control(
        source, Source(source.path, source.flags).settings(), fleet, Journal("kun-dns64", stream=io.StringIO())
    )


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "kun-dns64.toml"
    path.write_text(TEXT)
    return path


class Last:
    """Who writes this down is killed before the end."""

    def __reduce__(self) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)


class CutOff(Source):
    """Its settings are handed over up to the last."""

    def settings(self) -> Settings:
        return [bytes(1 << 20), Last()]  # type: ignore[return-value]


async def test_a_reload_whose_hand_over_is_cut_off_leaves_the_old_configuration_in_force(config: Path) -> None:
    fleet = NotingFleet()
    control = control_of(CutOff(config, Flags()), fleet)
    before = control.settings
    assert not await control.reload()
    assert control.settings is before
    assert not fleet.settings
    assert control.reloads == {"ok": 0, "failed": 1}
    assert "without a result" in control.problems[0]


async def test_a_machine_that_takes_no_more_processes_refuses_the_reload_and_loses_no_files(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_many() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    control = control_of(Source(config, Flags()), NotingFleet())
    with monkeypatch.context() as crowded:
        crowded.setattr(os, "fork", too_many)
        before = os.listdir("/proc/self/fd")
        assert not await control.reload()
        assert len(os.listdir("/proc/self/fd")) == len(before)
    assert await control.reload()


def test_no_part_of_a_hand_over_passes_for_the_whole(config: Path) -> None:
    raw = pickle.dumps(Source(config, Flags()).settings(), pickle.HIGHEST_PROTOCOL)
    assert isinstance(handed_over(raw), Settings)
    assert {handed_over(raw[:cut]) for cut in range(len(raw))} == {None}


@pytest.mark.parametrize("trouble", [OSError("in use"), ValueError("cannot be used")], ids=["os", "value"])
async def test_what_a_worker_cannot_do_is_a_refused_reload(config: Path, trouble: Exception) -> None:
    fleet = NotingFleet()
    control = control_of(Source(config, Flags()), fleet)
    before, fleet.trouble = control.settings, trouble
    assert not await control.reload()
    assert (control.settings, control.problems) == (before, (str(trouble),))
    fleet.trouble = None
    assert await control.reload()
    assert (control.problems, control.reloads) == ((), {"ok": 1, "failed": 1})


class Overtaken(Source):
    """Its domain file changes when it has just been read."""

    def settings(self) -> Settings:
        found = Source(self.path, self.flags).settings()
        assert self.path is not None
        with (self.path.parent / "names.txt").open("a") as names:
            names.write("example.net\n")
        return found


def with_names(config: Path) -> Path:
    config.write_text(TEXT + '[[pool]]\nname = "o"\nvip = "203.0.113.129"\ndomain_files = ["names.txt"]\n')
    (config.parent / "names.txt").write_text("example.org\n")
    return config


def notices(control: Control) -> bool:
    """In two looks, as a change has to settle."""
    return [control._watch.changed() for _ in range(2)][-1]


async def test_a_file_that_changes_while_it_is_loaded_is_loaded_again(config: Path) -> None:
    control = control_of(Overtaken(with_names(config), Flags()), NotingFleet())
    assert not notices(control)
    assert await control.reload()
    assert notices(control)


async def test_a_file_that_changes_while_it_is_first_named_is_loaded_again(config: Path) -> None:
    control = control_of(Overtaken(config, Flags()), NotingFleet())
    with_names(config)
    assert await control.reload()
    assert notices(control)
    control.source = Source(config, Flags())
    assert await control.reload()
    assert not notices(control)


def test_a_file_that_changes_during_the_start_is_loaded_again(config: Path) -> None:
    source = Overtaken(with_names(config), Flags())
    assert notices(Control(source, source.settings(), NotingFleet(), Journal("kun-dns64", stream=io.StringIO())))


def test_the_configuration_itself_is_looked_at_before_it_is_read(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text(TEXT + "[server]\nwatch_config = true\n")

    def overtaken(path: Path) -> Document:
        found = read_document(path)
        path.write_text(TEXT + "[server]\nwatch_config = true\nworkers = 3\n")
        return found

    monkeypatch.setattr("kun_dns64.config.load.read_document", overtaken)
    assert notices(control_of(Source(config, Flags()), NotingFleet()))


class Gateway:
    """Answers HTTP with this status."""

    def __init__(self) -> None:
        self.status, self.polls = 200, 0

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 %d x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % self.status)
            await writer.drain()
            self.polls += 1
        writer.close()

    @asynccontextmanager
    async def up(self) -> AsyncIterator[str]:
        """Its URL."""
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/readyz"


def watching(url: str) -> str:
    return TEXT + f'[dns64]\non_gateway_down = "stop"\ngateway_poll_s = {POLL_S}\ngateway_status = ["{url}"]\n'


def write(config: Path, text: str) -> None:
    config.write_text(text)


@asynccontextmanager
async def at_work(control: Control) -> AsyncIterator[None]:
    stop = asyncio.Event()
    running = asyncio.create_task(control.run(stop, lambda: AdminServer({}), None))
    try:
        yield
    finally:
        stop.set()
        await running


async def comes_to(condition: Callable[[], bool]) -> None:
    async def asked() -> bool:
        return condition()

    await eventually(asked)


@pytest.mark.parametrize("watched_after", [False, True], ids=["none", "another"])
async def test_what_a_watch_saw_last_does_not_outlive_its_configuration(config: Path, watched_after: bool) -> None:
    """Its gateway goes down while the reload that ends the watch is under way."""
    one, other, fleet = Gateway(), Gateway(), NotingFleet()
    async with one.up() as first, other.up() as second:
        write(config, watching(first))
        control = control_of(Source(config, Flags()), fleet)
        async with at_work(control):
            await comes_to(lambda: one.polls > 0)
            write(config, watching(second) if watched_after else TEXT)
            fleet.may_change.clear()
            control.reload_wanted.set()
            await comes_to(lambda: fleet.changing)
            one.status = 503
            await comes_to(lambda: bool(control._changing._waiters))
            fleet.may_change.set()
            await comes_to(lambda: control.reloads["ok"] == 1)
            polls = other.polls
            await (comes_to(lambda: other.polls > polls + 3) if watched_after else asyncio.sleep(0.1))
            assert control.pools_down == frozenset()
            assert control.settings.rules.pools_down == frozenset()
            assert frozenset(("",)) not in fleet.pools_down


async def test_a_new_watch_tells_what_it_finds_first() -> None:
    told: list[frozenset[str]] = []

    async def note(down: frozenset[str]) -> None:
        told.append(down)

    gateway = Gateway()
    async with gateway.up() as url:
        watch_it = asyncio.create_task(watch(GatewayWatch({"": (url,)}, POLL_S), note))
        await comes_to(lambda: gateway.polls > 2)
        gateway.status = 503
        await comes_to(lambda: len(told) > 1)
        watch_it.cancel()
        await asyncio.gather(watch_it, return_exceptions=True)
    assert told == [frozenset(), frozenset(("",))]


async def test_gateways_that_are_up_from_the_start_change_nothing(config: Path) -> None:
    gateway, fleet = Gateway(), NotingFleet()
    async with gateway.up() as url:
        write(config, watching(url))
        control = control_of(Source(config, Flags()), fleet)
        async with at_work(control):
            await comes_to(lambda: gateway.polls > 2)
            assert (fleet.pools_down, control.settings.rules.generation) == ([], 0)
            gateway.status = 503
            await comes_to(lambda: fleet.pools_down == [frozenset(("",))])
            gateway.status = 200
            await comes_to(lambda: fleet.pools_down == [frozenset(("",)), frozenset()])
            assert control.settings.rules.generation == 2


async def test_a_worker_born_while_a_change_is_under_way_gets_the_new_settings(config: Path) -> None:
    """The others may need seconds for it, and one that dies meanwhile is replaced at once."""
    settings = replace(Source(config, Flags()).settings(), cookie_secret=bytes(16))
    new = replace(settings, limits=replace(settings.limits, budget_s=3.0))
    for_the_born: list[Settings] = []
    trouble: list[Exception] = []

    class SlowCrew(Crew):
        async def ask_all(self, name: str, *arguments: Any) -> list[Any]:
            for_the_born.append(self.settings)
            if trouble:
                raise trouble[0]
            return []

    journal = Journal("kun-dns64", stream=io.StringIO())
    supervisor = Supervisor(settings, [[]], journal)
    supervisor._crew = SlowCrew(settings, [[]], journal)
    trouble.append(OSError("cannot"))
    with pytest.raises(OSError, match="cannot"):
        await supervisor.change(new)
    assert supervisor._crew.settings is settings
    trouble.clear()
    await supervisor.change(new)
    assert for_the_born == [new, new]
    assert supervisor._crew.settings is new


def test_a_domain_file_is_looked_at_before_it_is_read(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def overtaken(path: Path) -> Iterator[bytes]:
        yield path.read_bytes()
        with path.open("a") as names:
            names.write("example.net\n")

    monkeypatch.setattr("kun_dns64.config.domain_lists.read_blocks", overtaken)
    assert notices(control_of(Source(with_names(config), Flags()), NotingFleet()))
