"""The running agent follows a table: from its file, from a stream, and when either is gone."""

import asyncio
import io
import json
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from kun_base.journal import Journal
from kun_base.table_client import TableSource
from kun_base.table_follower import FollowPlan
from kun_nat64.agent.options import Options
from kun_nat64.agent.wiring import Agent
from kun_nat64.cli.followed import load_followed, show_table
from kun_nat64.model.drain import Phase
from kun_nat64.model.facts import Pool4, TenantTable
from kun_nat64.model.fleet import Fleet, Member
from kun_nat64.model.health import Verdict
from kun_nat64.model.spec import AgentSpec
from kun_nat64.model.standing import Standing
from kun_nat64.model.warnings import WarningName
from kun_nat64.policy.table_guard import GatewayBounds
from kun_nat64.views.metrics_text import exposition
from tests.base.table_world import HEAD, Controller, StreamServer, pods
from tests.nat64.admin.test_admin import Host
from tests.nat64.cli.test_agent import Running, fast
from tests.nat64.conftest import SHIPPED
from tests.nat64.policy.test_table_merge import BASE, Records, dedicated, share, web

__all__ = ["fast"]
FILE = "table.jsonl"
BOUNDS = GatewayBounds(100, 20, "gw1", 5)


def follows_file(spec: AgentSpec, folder: Path) -> AgentSpec:
    return replace(spec, follow=FollowPlan(None, folder / FILE, BOUNDS))


def write(folder: Path, records: Records) -> None:
    lines = Controller(records).snapshot()
    (folder / "new").write_text("".join(f"{line}\n" for line in lines))
    (folder / "new").replace(folder / FILE)


def marked(it: Running) -> set[str]:
    return {str(fact.address) for fact in it.host.facts if isinstance(fact, Pool4) and fact.mark}


def shared(it: Running) -> set[str]:
    return {str(fact.address) for fact in it.host.facts if isinstance(fact, Pool4) and not fact.mark}


def tables(it: Running) -> list[TenantTable]:
    return [fact for fact in it.host.facts if isinstance(fact, TenantTable)]


async def test_the_table_of_the_file_is_in_force_before_the_first_look(fast: AgentSpec, tmp_path: Path) -> None:
    write(tmp_path, {**BASE, **web(dedicated(share(30)))})
    it = Running(follows_file(fast, tmp_path), tmp_path)
    assert [str(one.address) for one in it.agent.state.spec.nat64.pool4] == ["192.0.2.20"]
    async with it:
        await it.until(lambda: marked(it) == {"192.0.2.30"} and shared(it) == {"192.0.2.20"}, "the table's ports")
        await it.until(lambda: it.announced, "announced")
        assert not it.agent.state.machine.refusals


async def test_a_replaced_file_is_taken_and_a_wrong_one_changes_nothing(fast: AgentSpec, tmp_path: Path) -> None:
    write(tmp_path, {**BASE, **web(dedicated(share(30)))})
    async with Running(follows_file(fast, tmp_path), tmp_path) as it:
        await it.until(lambda: marked(it) == {"192.0.2.30"}, "the first table")
        write(tmp_path, {**BASE, **web(dedicated(share(31)))})
        await it.until(lambda: marked(it) == {"192.0.2.31"}, "the second table")
        good = (tmp_path / FILE).read_text()
        (tmp_path / FILE).write_text(good[:-20])
        await it.until(lambda: bool(it.agent.table.status()["error"]), "the cut file was noticed")
        wrong = {**BASE, ("pool", "standard"): replace(BASE["pool", "standard"], vip="203.0.113.9")}
        write(tmp_path, wrong)
        await it.until(lambda: "gateway.vip is" in it.agent.table.status()["error"], "the contradiction was noticed")
        (tmp_path / FILE).unlink()
        await asyncio.sleep(1.2)
        assert marked(it) == {"192.0.2.31"}
        assert len(tables(it)) == 1


async def test_a_table_may_take_more_tenants_away_than_a_plan_may_remove_objects(
    fast: AgentSpec, tmp_path: Path
) -> None:
    """It has passed its own bounds: the guard, whose bound is one removal here, does not ask again."""
    many: Records = {("class", f"c{n}"): dedicated(share(30 + n), mark=n + 1) for n in range(4)}
    spec = replace(fast, guard=replace(fast.guard, max_removals=1))
    write(tmp_path, {**BASE, **many})
    async with Running(follows_file(spec, tmp_path), tmp_path) as it:
        await it.until(lambda: len(marked(it)) == 4, "four tenants")
        write(tmp_path, BASE)
        await it.until(lambda: not marked(it), "none of them")
        await it.until(lambda: not it.agent.state.machine.approved, "settled")
        assert not it.agent.state.machine.refusals


def carrying(spec: AgentSpec, at: float) -> Fleet:
    other = Member(
        url="http://gw2", name="gw2", standing=Standing.FULL, verdict=Verdict.HEALTHY, seen_at=at, wants_back=False
    )
    return Fleet(1, (other,))


async def test_the_table_drains_takes_out_and_brings_back(fast: AgentSpec, tmp_path: Path) -> None:
    write(tmp_path, BASE)
    async with Running(follows_file(fast, tmp_path), tmp_path) as it:
        await it.until(lambda: it.announced, "announced")
        gateway = BASE["gateway", "gw1"]
        write(tmp_path, {**BASE, ("gateway", "gw1"): replace(gateway, desired="out")})
        await it.until(
            lambda: "keeps serving" in it.agent.state.warnings.get(WarningName.TABLE, ""), "the last exit stays"
        )
        assert it.announced
        it.agent.state.take_fleet(carrying(fast, it.agent.state.clock()))
        await it.until(lambda: it.agent.state.drain.phase is Phase.DRAINED, "out")
        await it.until(lambda: not it.announced, "withdrawn")
        assert "table" not in it.agent.state.warnings
        write(tmp_path, BASE)
        await it.until(lambda: it.announced, "back")
        assert it.agent.state.drain.phase is Phase.SERVING


async def test_a_drain_by_the_table_survives_a_restart(fast: AgentSpec, tmp_path: Path) -> None:
    spec = follows_file(replace(fast, guard=replace(fast.guard, never_withdraw_last=False)), tmp_path)
    gateway = replace(BASE["gateway", "gw1"], desired="out")
    write(tmp_path, {**BASE, ("gateway", "gw1"): gateway})
    host = Host()
    async with Running(spec, tmp_path, host=host) as it:
        await it.until(lambda: it.agent.state.drain.phase is Phase.DRAINED, "out")
    async with Running(spec, tmp_path, host=host) as it:
        await it.until(lambda: it.agent.state.machine.turns > 1, "some turns")
        assert it.agent.state.drain.by_table
        assert not it.announced


class Stream:
    """Says a snapshot, then what a test adds; `cut` ends every connection."""

    def __init__(self, records: Records) -> None:
        self.world, self.open = Controller(records), set[asyncio.StreamWriter]()
        self.server = StreamServer(self._answer)

    async def _answer(self, _head: str, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"\r\n" + lines(self.world.snapshot()))
        self.open.add(writer)
        await writer.drain()
        await writer.wait_closed()

    def say(self, records: dict[tuple[str, str], Any]) -> None:
        said = lines(self.world.say(records))
        for writer in self.open:
            writer.write(said)

    def cut(self) -> None:
        for writer in self.open:
            writer.close()
        self.open.clear()


def lines(texts: list[str]) -> bytes:
    return "".join(f"{text}\n" for text in texts).encode()


def follows_stream(spec: AgentSpec, url: str, folder: Path) -> AgentSpec:
    return replace(spec, follow=FollowPlan(TableSource(url, role="gateway"), folder / FILE, BOUNDS))


async def test_a_streams_change_is_in_force_within_a_second_and_outlives_the_stream(
    fast: AgentSpec, tmp_path: Path
) -> None:
    stream = Stream(BASE)
    async with stream.server.running():
        async with Running(follows_stream(fast, stream.server.url, tmp_path), tmp_path) as it:
            await it.until(lambda: it.announced and shared(it) == {"192.0.2.20"}, "the snapshot")
            before = it.agent.state.clock()
            stream.say(web(dedicated(share(30))))
            await it.until(lambda: marked(it) == {"192.0.2.30"}, "the delta")
            assert it.agent.state.clock() - before < 1.0
            stream.cut()
        stream.server.answer = refuse
        async with Running(follows_stream(fast, stream.server.url, tmp_path), tmp_path) as it:
            await it.until(lambda: it.agent.state.machine.turns > 1, "some turns without a stream")
            assert marked(it) == {"192.0.2.30"}, "the file that was written has it"
            status = it.agent.table.status()
            assert status is not None
            assert (status["connected"], status["version"]) == (False, stream.world.view.version)


async def refuse(_head: str, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


async def test_a_held_table_changes_nothing_until_it_is_accepted(
    fast: AgentSpec, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = Stream({**BASE, **web(dedicated(share(30))), **cast(Records, pods(150, "team-00/web"))})
    async with stream.server.running(), Running(follows_stream(fast, stream.server.url, tmp_path), tmp_path) as it:
        await it.until(lambda: len(tables(it)) == 1, "the snapshot")
        (before,) = tables(it)
        stream.say(dict.fromkeys(pods(140, "team-00/web")))
        await it.until(lambda: it.agent.table.status()["held"] is not None, "held")
        await asyncio.sleep(0.5)
        assert tables(it) == [before]
        assert await asyncio.to_thread(show_table, tmp_path, accept=None, as_json=False) == 1
        shown = capsys.readouterr().out
        assert "it removes 140 of 152 clients" in shown
        version = it.agent.table.status()["held"]["version"]
        assert await asyncio.to_thread(show_table, tmp_path, accept="0" * 32, as_json=False) == 1
        assert await asyncio.to_thread(show_table, tmp_path, accept=version, as_json=False) == 0
        await it.until(lambda: len(tables(it)[0].entries) == 11, "what was accepted")


async def test_status_and_metrics_say_version_and_age(fast: AgentSpec, tmp_path: Path) -> None:
    write(tmp_path, {**BASE, **web(dedicated(share(30)))})
    async with Running(follows_file(fast, tmp_path), tmp_path) as it:
        await it.until(lambda: it.announced, "announced")
        page = json.loads((await it.agent.admin._status({})).body)
        assert page["follow"]["version"] == Controller({**BASE, **web(dedicated(share(30)))}).view.version
        assert page["follow"]["desired"] == "serve"
        assert [one["name"] for one in page["tenants"]["listed"]] == ["team-00/web"]
        text = exposition(it.agent.state)
        assert "kun_nat64_table_age_seconds" in text
        assert "kun_nat64_table_revision" in text
        client = json.loads((await it.agent.admin._client({"address": "2002:a01:2:1::10"})).body)
        assert (client["namespace"], client["pod"], client["tenant"]) == ("team-00", "web-0", "team-00/web")
        assert client["pool4"][0]["address"] == "192.0.2.30"


async def test_a_reload_keeps_the_table_and_a_file_that_contradicts_it_is_refused(
    fast: AgentSpec, tmp_path: Path
) -> None:
    write(tmp_path, {**BASE, **web(dedicated(share(30)))})
    config = tmp_path / "kun-nat64.toml"
    head = SHIPPED.read_text().replace('session_log = "/var/log', 'session_log = "/tmp/none/var/log')
    followed = f'\n[follow]\nstate_dir = "{tmp_path}"\n'
    config.write_text(head + followed)
    spec = replace(follows_file(fast, tmp_path), admin=fast.admin)
    async with Running(spec, tmp_path, config) as it:
        await it.until(lambda: marked(it) == {"192.0.2.30"}, "the table")
        ports = 'pool4 = [{ address = "192.0.2.30", ports = "1500" }]'
        clash = f'[[tenant]]\nname = "x"\nnetworks = ["2002:a09::/32"]\n{ports}\n'
        config.write_text(head + followed + clash)
        outcome = await it.agent.reload.now()
        assert not outcome.taken
        assert "ports of tenant" in outcome.refused[0]
        assert "overlap" in outcome.refused[0]


def test_commands_that_look_once_see_the_kept_table(tmp_path: Path) -> None:
    write(tmp_path, {**BASE, **web(dedicated(share(30)))})
    config = tmp_path / "kun-nat64.toml"
    config.write_text(SHIPPED.read_text() + f'\n[follow]\nstate_dir = "{tmp_path}"\n')
    spec = load_followed(config, tmp_path)
    assert [one.name for one in spec.tenants] == ["team-00/web"]
    (tmp_path / FILE).write_text("{}\n")
    assert load_followed(config, tmp_path).tenants == ()


def test_without_a_follow_section_nothing_is_followed(fast: AgentSpec, tmp_path: Path) -> None:
    write(tmp_path, BASE)
    agent = Agent(fast, Options(SHIPPED, tmp_path), Journal("test", stream=io.StringIO()), Host())
    assert agent.table.status() is None
    assert agent.state.spec.nat64 == fast.nat64


async def test_many_changes_are_taken_together_and_clients_without_a_tenant_wake_nobody(
    fast: AgentSpec, tmp_path: Path
) -> None:
    stream = Stream({**BASE, **web(dedicated(share(30)))})
    async with stream.server.running(), Running(follows_stream(fast, stream.server.url, tmp_path), tmp_path) as it:
        await it.until(lambda: len(tables(it)) == 1, "the snapshot")
        await it.until(lambda: not it.agent.state.machine.approved, "settled")
        taken: list[int] = []
        take = it.agent.state.take_table

        def counted(spec: AgentSpec, places: Collection[tuple[int, int]]) -> None:
            taken.append(len(places))
            take(spec, places)

        it.agent.state.take_table = counted  # type: ignore[assignment]
        for n in range(1, 101):
            stream.say(pods(1, "default", n))
            await asyncio.sleep(0.005)
        await it.until(lambda: len(it.agent.state.spec.clients) == 102, "all of them")
        assert sum(taken) == 100
        assert len(taken) < 10
        assert not it.agent.state.machine.approved, "no fact follows from them"
        stream.say(pods(1, "team-00/web", 500))
        await it.until(lambda: len(tables(it)[0].entries) == 2, "a tenant's pod")
