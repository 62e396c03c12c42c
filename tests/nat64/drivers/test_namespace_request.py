"""In the sandbox of its unit the agent can mount nothing: it asks for the probes' namespace by a file."""

from pathlib import Path

import pytest

from kun_nat64.drivers import links
from kun_nat64.drivers.links import NETNS_REQUEST, LinksDriver
from kun_nat64.model.errors import DriverError, FailureKind
from kun_nat64.model.facts import Netns
from kun_nat64.model.plan import Action, Change
from tests.nat64.drivers.scripted import ScriptedRunner

NAME = "kun-probe-of-nobody"
ADDED = Change(Action.ADD, Netns(NAME))


async def test_it_asks_and_runs_no_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request, runner = tmp_path / "netns-wanted", ScriptedRunner()
    monkeypatch.setenv(NETNS_REQUEST, str(request))
    monkeypatch.setattr(links, "namespace_identity", lambda name: (1, 2) if request.exists() else None)
    driver = LinksDriver(runner)
    await driver.apply(ADDED)
    assert request.read_text() == f"{NAME}\n"
    assert runner.asked == []
    driver.close()


@pytest.mark.parametrize("place", ["netns-wanted", "gone/netns-wanted"], ids=["nobody makes it", "no folder"])
async def test_a_namespace_that_nobody_makes_is_an_error(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NETNS_REQUEST, str(tmp_path / place))
    monkeypatch.setattr(links, "NETNS_WAIT_S", 0.2)
    driver = LinksDriver(ScriptedRunner())
    with pytest.raises(DriverError) as raised:
        await driver.apply(ADDED)
    assert raised.value.kind in (FailureKind.TIMEOUT, FailureKind.EXIT_CODE)
    driver.close()


async def test_without_such_a_unit_the_command_makes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(NETNS_REQUEST, raising=False)
    runner = ScriptedRunner()
    driver = LinksDriver(runner)
    await driver.apply(ADDED)
    assert runner.asked == [f"ip netns add {NAME}"]
    driver.close()
