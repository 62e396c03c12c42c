"""Reloads and gateways as the control side sees them, over a fleet that only notes what it is told."""

import io
import os
import pickle
import signal
from pathlib import Path
from typing import Any

import pytest

from kun_base.journal import Journal
from kun_base.tomltext import read
from kun_dns64.config.flags import Flags
from kun_dns64.config.settings import Settings
from kun_dns64.control import Control
from kun_dns64.fleet import Standing, Story
from kun_dns64.loading import Source, handed_over
from kun_dns64.metrics import Metrics
from kun_dns64.model.message import Query

TEXT = '[upstream]\nservers = ["udp://192.0.2.53"]\n[admin]\nlisten = ""\n'


class NotingFleet:
    """`trouble` is raised by the next change."""

    def __init__(self) -> None:
        self.settings: list[Settings] = []
        self.trouble: Exception | None = None

    async def numbers(self) -> Metrics:
        return Metrics()

    async def standing(self) -> Standing:
        return Standing(forward=True, workers=())

    async def explain(self, query: Query) -> Story:
        raise OSError

    async def use_gateways(self, pools_down: frozenset[str], generation: int) -> None:
        pass

    async def change(self, settings: Settings) -> None:
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
    octets = pickle.dumps(Source(config, Flags()).settings(), pickle.HIGHEST_PROTOCOL)
    assert isinstance(handed_over(octets), Settings)
    assert {handed_over(octets[:cut]) for cut in range(len(octets))} == {None}


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

    def overtaken(path: Path) -> dict[str, Any]:
        found = read(path)
        path.write_text(TEXT + "[server]\nwatch_config = true\nworkers = 3\n")
        return found

    monkeypatch.setattr("kun_dns64.config.load.read", overtaken)
    assert notices(control_of(Source(config, Flags()), NotingFleet()))
