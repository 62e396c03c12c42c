"""`fleet IP:PORT`, `who` and `explain` ask every gateway of the fleet, over real admin ports."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import time

import aiohttp
import pytest

from kun_base.errors import ConfigError
from kun_nat64.cli.explain import explain_destination
from kun_nat64.cli.fleet_session import show_session
from kun_nat64.cli.members import ask_members
from kun_nat64.cli.who import show_who
from kun_nat64.cli.who_flags import Asked
from kun_nat64.drivers.session_database import SessionBook
from kun_nat64.model.audit import Record
from kun_nat64.model.traffic import Traffic
from kun_nat64.policy.session_match import parse_endpoint, sessions_with
from tests.nat64.admin.three_gateways import Gateways, gateways
from tests.nat64.audit.flows import flow, session
from tests.nat64.conftest import SHIPPED

__all__ = ["gateways"]
Output = pytest.CaptureFixture[str]
HELD = session(40000)


async def called(work: Callable[[], int]) -> int:
    return await asyncio.wait_for(asyncio.to_thread(work), 60)


def flowing(gateways: Gateways, name: str) -> None:
    host = gateways.agents[name].host.present
    host.now_flowing = Traffic(sessions=(HELD,))  # type: ignore[attr-defined]


@pytest.mark.parametrize("end", ["outside", "remote", "inside"])
async def test_the_gateway_that_has_a_session_is_found_by_either_end(
    gateways: Gateways, tmp_path: Path, capsys: Output, end: str
) -> None:
    flowing(gateways, "gw3")
    asked = str(getattr(HELD, end))
    assert await called(lambda: show_session(asked, tmp_path / "gw1", None, as_json=True)) == 0
    told = {one["gateway"]: one["answer"] for one in json.loads(capsys.readouterr().out)["gateways"]}
    assert {name: answer["found"] for name, answer in told.items()} == {"gw1": 0, "gw2": 0, "gw3": 1}
    assert told["gw3"]["sessions"][0]["inside"] == str(HELD.inside)
    assert await called(lambda: show_session(asked, tmp_path / "gw1", None, as_json=False)) == 0
    assert "gw3" in capsys.readouterr().out


async def test_nobody_is_1_and_one_that_could_not_be_asked_3(
    gateways: Gateways, tmp_path: Path, capsys: Output
) -> None:
    assert await called(lambda: show_session("192.0.2.11:1", tmp_path / "gw1", None, as_json=False)) == 1
    assert "no gateway that was asked" in capsys.readouterr().out
    (tmp_path / "wrong").write_text("another-word-of-many-characters")
    wrong = tmp_path / "wrong"
    assert await called(lambda: show_session("192.0.2.11:1", tmp_path / "gw1", wrong, as_json=False)) == 3
    assert "gw2 was not asked: HTTP status 401" in capsys.readouterr().err
    assert await called(lambda: show_session("192.0.2.11:1", tmp_path / "nowhere", None, as_json=False)) == 3


@pytest.mark.parametrize("path", ["/sessions?with=192.0.2.11:1", "/who?public=192.0.2.11:1&at=now", "/explain"])
async def test_sessions_are_told_to_nobody_without_the_token(gateways: Gateways, path: str) -> None:
    async with aiohttp.ClientSession() as http:
        for method in ("GET", "POST"):
            async with http.request(method, gateways.urls["gw2"] + path) as answer:
                assert answer.status in (401, 404, 405)


async def test_who_asks_the_logs_of_all(gateways: Gateways, tmp_path: Path, capsys: Output) -> None:
    now = time()
    for name, agent in gateways.agents.items():
        book = SessionBook(tmp_path / f"{name}.db", 10**9, 90 * 86400.0)
        book.start(now)
        if name == "gw3":
            book.write([Record(flow(HELD), now - 10, now, None, 1)], [], now)
        book.close()
        audit = replace(agent.state.spec.audit, log="x", database=str(tmp_path / f"{name}.db"))
        agent.state.spec = replace(agent.state.spec, audit=audit)
    config = tmp_path / "gw.toml"
    config.write_text(SHIPPED.read_text().replace("/var/log/kun-nat64/sessions.jsonl", str(tmp_path / "gw1.jsonl")))
    asked = Asked(str(HELD.outside), str(now), config=config, run_dir=tmp_path / "gw1")
    assert await called(lambda: show_who(asked)) == 0
    out = capsys.readouterr().out
    assert f"gw3: tcp [{HELD.inside.address}]:{HELD.inside.port}" in out
    assert "gw2: its log names nobody" in out
    assert await called(lambda: show_who(replace(asked, here=True))) == 1


async def test_explain_says_what_the_others_say(gateways: Gateways, tmp_path: Path, capsys: Output) -> None:
    flowing(gateways, "gw2")
    target = str(HELD.target.address)
    await called(lambda: explain_destination(target, SHIPPED, tmp_path / "gw1", "", as_json=False))
    out = capsys.readouterr().out
    assert "gw2:      lets it through; 1 sessions" in out
    assert "gw3:      lets it through; 0 sessions" in out
    await called(lambda: explain_destination(target, SHIPPED, tmp_path / "gw1", "", as_json=True))
    assert [one["gateway"] for one in json.loads(capsys.readouterr().out)["members"]] == ["gw2", "gw3"]
    await called(lambda: explain_destination(target, SHIPPED, tmp_path / "gw1", "", as_json=False, here=True))
    assert "gw2:" not in capsys.readouterr().out


def test_without_an_agent_there_is_nobody_to_ask(tmp_path: Path) -> None:
    assert ask_members(tmp_path, "/who", {}) == []


@pytest.mark.parametrize(
    "text", ["", "192.0.2.11", "192.0.2.11:", "192.0.2.11:70000", "2002::1:80", "[x]:1", "192.0.2:1", "192.0.2.11:x"]
)
def test_what_is_no_endpoint_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_endpoint(text)
    with pytest.raises(ConfigError):
        show_session(text, tmp_path, None, as_json=False)


def test_a_port_of_another_address_is_another_one() -> None:
    assert list(sessions_with([HELD], parse_endpoint(f"192.0.2.99:{HELD.outside.port}"))) == []
