"""The agent's outside, served for real: HTTP, the unix socket, Prometheus' own checker, the status page."""

import asyncio
import io
import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import aiohttp
import pytest

from kun_base.journal import Journal
from kun_nat64.agent.admin_loop import AdminLoop
from kun_nat64.agent.options import Options
from kun_nat64.agent.wiring import Agent
from kun_nat64.drivers import runfiles
from kun_nat64.drivers.fleet import LARGEST_STATUS, FleetWatch, Own
from kun_nat64.formats import memberstatus
from kun_nat64.model.area import Area
from kun_nat64.model.bgpfacts import Neighbour
from kun_nat64.model.drain import Phase
from kun_nat64.model.errors import DriverError, FailureKind
from kun_nat64.model.facts import Family, RuleCounter
from kun_nat64.model.health import Verdict
from kun_nat64.model.linkcounts import LinkCounts
from kun_nat64.model.spec import AgentSpec
from kun_nat64.model.standing import Reason, Standing
from kun_nat64.model.warnings import WarningName
from kun_nat64.policy.pathmtu import Swept
from kun_nat64.views.metrics_text import exposition
from kun_nat64.views.page import render
from kun_nat64.views.status import brief, snapshot
from tests.json_reference import undocumented
from tests.nat64.admin.serving import Host, Served, come_up

Specs = Callable[..., AgentSpec]


async def test_alive_and_ready_are_two_things(served: Served) -> None:
    assert await served.get("/healthz") == (200, "alive\n")
    status, why = await served.get("/readyz")
    assert (status, why.split(":")[0]) == (503, "out")
    await come_up(served.agent)
    status, why = await served.get("/readyz")
    assert (status, why.split(":")[0]) == (200, "full")


def peer(state: str) -> Neighbour:
    return Neighbour("10.2.1.1", 65000, state, established=state == "established")


async def test_a_path_that_no_router_hears_of_is_not_ready(served: Served) -> None:
    await come_up(served.agent)
    machine = served.agent.state.machine
    assert machine.seen is not None
    refused = DriverError(FailureKind.UNREACHABLE, ("grpc",), "Connection refused")
    slow = DriverError(FailureKind.TIMEOUT, ("grpc",), "no answer within 3 s")
    for seen, ready, why in (
        (replace(machine.seen, failures={Area.BGP: refused}), 503, "the BGP speaker does not run"),
        (replace(machine.seen, failures={Area.BGP: refused}, bgp_connections=1), 200, ""),
        (replace(machine.seen, failures={Area.BGP: slow}), 200, ""),
        (replace(machine.seen, neighbours=(peer("active"), peer("idle"))), 503, "no BGP session is up"),
        (replace(machine.seen, neighbours=(peer("active"), peer("established"))), 200, ""),
    ):
        machine.seen = seen
        status, words = await served.get("/readyz")
        assert (status, why in words) == (ready, True)
        told = json.loads((await served.get("/status"))[1])["announcement"]
        assert told["announced"] is (ready == 200)


async def test_status_is_what_another_gateway_understands(served: Served) -> None:
    await come_up(served.agent)
    watch = FleetWatch((served.url,), 2.0)
    fleet = await watch.look()
    await watch.close()
    assert fleet.configured == 1
    assert fleet.members[0].standing is Standing.FULL
    assert fleet.members[0].verdict is Verdict.HEALTHY
    assert set(fleet.members[0].targets) == {str(target) for target in served.agent.state.spec.health.targets}
    state, now = served.agent.state, served.agent.state.clock()
    status = snapshot(state, now=now, wall=1.7e9)
    assert undocumented(status, "kun_nat64.views.status", "snapshot") == []
    assert status["bgp"]["speaker"] == "gobgp"
    whole = memberstatus.parse(status, served.url, seen_at=0.0)
    assert memberstatus.parse(brief(state, now=now), served.url, seen_at=0.0) == whole


async def test_a_member_with_many_addresses_is_heard_as_well(served: Served) -> None:
    await come_up(served.agent)
    served.agent.state.flow.ports = {(f"192.0.2.{n}", f"proto{m}"): (1, 2) for n in range(100) for m in range(200)}
    assert len((await served.get("/status"))[1]) > LARGEST_STATUS
    watch = FleetWatch((served.url,), 2.0)
    assert len((await watch.look()).members) == 1
    await watch.close()


@pytest.mark.parametrize(
    ("own", "why"),
    [("itself", "is this gateway itself"), ("another VIP", "announces another VIP, 203.0.113.1"), ("nobody", "")],
)
async def test_a_member_that_cannot_take_our_place_is_no_witness(served: Served, own: str, why: str) -> None:
    await come_up(served.agent)
    known = {"itself": Own(served.agent.state.identity, "203.0.113.1"), "another VIP": Own("x", "192.0.2.64")}
    watch = FleetWatch((served.url,), 2.0, known.get(own, Own()))
    fleet = await watch.look()
    await watch.close()
    assert watch.misnamed == ({served.url: why} if why else {})
    assert (fleet.configured, len(fleet.members)) == ((0, 0) if why else (1, 1))


async def test_a_member_that_does_not_answer_is_not_in_the_fleet(served: Served) -> None:
    watch = FleetWatch(("http://127.0.0.1:1", served.url + "/healthz"), 1.0)
    assert (await watch.look()).members == ()
    assert set(watch.problems) == {"http://127.0.0.1:1", served.url + "/healthz"}
    assert (await watch.look()).silent == watch.problems
    await watch.close()


async def test_metrics_pass_promtool(served: Served) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool (Debian package prometheus) is not installed")
    await come_up(served.agent)
    state = served.agent.state
    assert state.machine.seen is not None
    rule = RuleCounter(Family.IPV6, "mangle", "PREROUTING", "-j TCPMSS --set-mss 1420", 5, 300)
    state.machine.seen = replace(state.machine.seen, counters=(rule,), resets=3)
    state.evidence.links = {"kun64": LinkCounts(100, 1, 2, 90, 3, 4)}
    state.path.swept = Swept("icmp://198.51.100.81", 1520, 1480, 1520)
    status, text = await served.get("/metrics")
    assert status == 200
    assert "orphan_resets" in text
    assert "path_mtu_bytes" in text
    checked = await asyncio.to_thread(
        subprocess.run, ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


async def test_metrics_say_what_the_agent_says(served: Served) -> None:
    await come_up(served.agent)
    lines = exposition(served.agent.state).splitlines()
    assert "kun_nat64_announced 1.0" in lines
    assert 'kun_nat64_standing{standing="full"} 1.0' in lines
    assert 'kun_nat64_standing{standing="out"} 0.0' in lines
    assert 'kun_nat64_jool_packets_total{reason="received6"} 7.0' in lines
    assert not [line for line in lines if "sessions" in line and "e+19" in line], "a gauge below zero is no number"


async def test_drain_is_asked_for_and_taken_back(served: Served, tmp_path: Path) -> None:
    await come_up(served.agent)
    status, body = await served.post("/drain?why=new%20kernel")
    assert (status, json.loads(body)["phase"]) == (200, "draining")
    assert served.agent.state.standing.decision.standing is Standing.DRAINING
    assert runfiles.load_drain(tmp_path, now=0.0, wall=0.0).why == "new kernel"
    await served.post("/undrain")
    assert served.agent.state.standing.decision.standing is Standing.FULL
    assert not (tmp_path / runfiles.DRAIN).exists()


async def test_a_drain_until_the_next_start_is_not_stored(served: Served, tmp_path: Path) -> None:
    await come_up(served.agent)
    await served.post("/drain?until_start=1")
    assert served.agent.state.standing.decision.standing is Standing.DRAINING
    assert not (tmp_path / runfiles.DRAIN).exists()


async def test_a_run_directory_that_cannot_be_written_is_said_and_does_not_stop_a_drain(served: Served) -> None:
    await come_up(served.agent)
    served.agent.kept._options = Options(Path("none.toml"), Path("/proc/nowhere"))
    _, body = await served.post("/drain")
    assert "will not survive a restart" in json.loads(body)["warning"]
    assert served.agent.state.standing.decision.standing is Standing.DRAINING
    assert 'kun_nat64_warning{what="drain"} 1.0' in exposition(served.agent.state)


@pytest.mark.parametrize("listen", ["0.0.0.0", "127.0.0.1", "::1"])
async def test_a_port_changes_nothing_wherever_it_listens(spec_with: Specs, tmp_path: Path, listen: str) -> None:
    """Every program of this machine reaches the loopback, and so does a page in its browser."""
    agent = Agent(spec_with(), Options(Path("x"), tmp_path), Journal("test", stream=io.StringIO()), Host())
    port = await agent.admin.start_public(listen, 0)
    here = "[::1]" if ":" in listen else "127.0.0.1"
    for path in ("/drain", "/undrain", "/reload?force=1"):
        async with aiohttp.ClientSession() as http, http.post(f"http://{here}:{port}{path}") as answer:
            assert answer.status == 404
        headers = {"Host": "gateway.example", "Origin": "http://evil.example"}
        async with aiohttp.ClientSession() as http, http.post(f"http://{here}:{port}{path}", headers=headers) as answer:
            assert answer.status == 404
    assert agent.state.drain.phase is Phase.SERVING
    await agent.admin.close()
    await agent.fleet.close()


async def test_the_token_drains_by_the_port_and_nothing_else_does(spec_with: Specs, tmp_path: Path) -> None:
    word = "0123456789abcdef0123456789abcdef"
    (tmp_path / "token").write_text(word)
    spec = spec_with(admin={"token_file": str(tmp_path / "token")}, fleet={"members": []})
    agent = Agent(spec, Options(Path("x"), tmp_path), Journal("test", stream=io.StringIO()), Host())
    url = f"http://127.0.0.1:{await agent.admin.start_public('127.0.0.1', 0)}/drain"
    async with aiohttp.ClientSession() as http:
        for headers, expected in (
            ({}, 401),
            ({"Authorization": f"Bearer {word[:-1]}"}, 401),
            ({"Authorization": f"Bearer {word}", "Origin": "http://evil.example"}, 403),
            ({"Authorization": f"Bearer {word}", "Host": "evil.example"}, 421),
        ):
            async with http.post(url, headers=headers) as answer:
                assert answer.status == expected
            assert agent.state.drain.phase is Phase.SERVING
        async with http.post(url, headers={"Authorization": f"Bearer {word}"}) as answer:
            assert answer.status == 200
    assert agent.state.drain.phase is not Phase.SERVING
    await agent.admin.close()
    await agent.fleet.close()


async def test_both_listeners_are_opened_and_one_that_cannot_be_is_named(spec_with: Specs, tmp_path: Path) -> None:
    """192.0.2.7 is no address of this machine."""
    spec = spec_with(admin={"listen": "127.0.0.1:0"}, fleet={"members": [], "listen": "192.0.2.7:9465"})
    agent = Agent(spec, Options(Path("x"), tmp_path), Journal("test", stream=io.StringIO()), Host())
    await AdminLoop(agent.state, agent.admin, tmp_path / runfiles.CONTROL).open()
    assert "the admin port 192.0.2.7:9465 does not work" in agent.state.warnings["admin"]
    assert "127.0.0.1:0 does not work" not in agent.state.warnings["admin"]
    await agent.admin.close()
    await agent.fleet.close()


async def test_the_socket_takes_orders_from_root_and_its_own_user_only(
    spec_with: Specs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = Agent(spec_with(), Options(Path("x"), tmp_path), Journal("test", stream=io.StringIO()), Host())
    await AdminLoop(agent.state, agent.admin, tmp_path / runfiles.CONTROL).open()
    assert (tmp_path / runfiles.CONTROL).stat().st_mode & 0o777 == 0o600
    for user, expected in ((None, 200), (12345, 403)):
        if user is not None:
            monkeypatch.setattr("kun_base.adminhttp.peer_user", lambda _, user=user: user)
        connector = aiohttp.UnixConnector(str(tmp_path / runfiles.CONTROL))
        async with aiohttp.ClientSession(connector=connector) as http, http.post("http://localhost/drain") as answer:
            assert answer.status == expected
    await agent.admin.close()
    await agent.fleet.close()


class Checker(HTMLParser):
    """Every tag that is opened is closed, and nothing is fetched from elsewhere."""

    VOID = ("meta",)

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "link", "img", "iframe"), tag
        assert not [name for name, _ in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


async def test_the_page_is_whole_and_self_contained(served: Served) -> None:
    await come_up(served.agent)
    served.agent.state.warnings.warn(WarningName.CONFIG, "<script> not shown as markup")
    status, text = await served.get("/")
    checker = Checker()
    checker.feed(text)
    assert (status, checker.open) == (200, [])
    assert "Announced with MED 10" in "".join(checker.text)


def test_the_page_escapes_what_others_wrote(spec: AgentSpec, tmp_path: Path) -> None:
    agent = Agent(spec, Options(Path("x"), tmp_path), Journal("test", stream=io.StringIO()), Host())
    status = snapshot(agent.state, now=agent.state.clock(), wall=0.0)
    evil = {"name": "<script>alert(1)</script>", "url": "http://x", "standing": "full", "verdict": "healthy"}
    status["fleet"] = {"configured": 2, "members": [evil], "silent": {"http://y": "<script>alert(2)</script>"}}
    page = render(status)
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


async def test_metrics_count_rules_resets_and_what_links_could_not_carry(served: Served) -> None:
    await come_up(served.agent)
    state = served.agent.state
    assert state.machine.seen is not None
    spec = "-d 2002:cb00:7101::/96 -p tcp -m tcp --tcp-flags SYN,RST SYN -m comment --comment kun-nat64 -j TCPMSS"
    counters = (RuleCounter(Family.IPV6, "mangle", "PREROUTING", f"{spec} --set-mss 1420", 5, 300),)
    state.machine.seen = replace(state.machine.seen, counters=counters, resets=3)
    state.evidence.links = {"kun64": LinkCounts(100, 1, 2, 90, 3, 4)}
    text = exposition(state)
    assert 'kun_nat64_mss_packets_total{chain="prerouting"} 5.0' in text
    rule = "-d 2002:cb00:7101::/96 -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1420"
    assert f'kun_nat64_rule_packets_total{{chain="PREROUTING",rule="{rule}",table="mangle"}} 5.0' in text
    assert "kun_nat64_orphan_resets_total 3.0" in text
    for direction, kind, count in (("receive", "error", 1), ("receive", "drop", 2), ("send", "error", 3)):
        labels = f'direction="{direction}",kind="{kind}",link="kun64"'
        assert f"kun_nat64_link_trouble_packets_total{{{labels}}} {count}.0" in text


async def test_a_restarted_agent_knows_how_often_it_fell(served: Served, tmp_path: Path) -> None:
    await come_up(served.agent)
    state = served.agent.state
    state.machine.hard = (Reason.CARRIER_DOWN,)
    state.evaluate(now=state.clock())
    assert (state.standing.decision.standing, state.standing.falls_total) == (Standing.OUT, 1)
    again = Agent(state.spec, Options(Path("none.toml"), tmp_path), Journal("test", stream=io.StringIO()), Host())
    await again.cycle.turn()  # adopts what it finds in BGP, and still knows
    assert (again.state.standing.falls_total, again.state.standing.decision.falls.count) == (1, 1)


async def test_falls_that_cannot_be_kept_are_said_and_stop_nothing(served: Served, tmp_path: Path) -> None:
    await come_up(served.agent)
    state = served.agent.state
    (tmp_path / "falls.new").mkdir()  # in the place of the file that would be written
    state.machine.hard = (Reason.CARRIER_DOWN,)
    state.evaluate(now=state.clock())
    assert state.standing.decision.standing is Standing.OUT
    assert "earlier falls" in state.warnings["falls"]
    assert 'kun_nat64_warning{what="falls"} 1.0' in exposition(state)
