"""Two real Prometheus, two real Alertmanagers and the heart-beat's receiver, with the shipped files.

Each alert reaches its receiver once, also when one of each peer is gone; the silence of all of them is noticed.
"""

import asyncio
import json
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
from aiohttp import web

from tests.ports import free_port

CONFIG = Path(__file__).parents[2] / "gateway-config" / "prometheus"
LONGEST_S = 60.0
PEER_TIMEOUT_S = 2
Tool = Callable[[str, str], str]


class World:
    """What Prometheus scrapes, and what the receivers get: how often each alert was told as firing."""

    def __init__(self) -> None:
        self.session_up, self.upstream_up = 1, 1
        self.told: Counter[str] = Counter()
        self.resolved: Counter[str] = Counter()

    async def gateways_metrics(self, _: web.Request) -> web.Response:
        return web.Response(text=f'kun_nat64_bgp_neighbour_established{{peer="10.2.1.1"}} {self.session_up}\n')

    async def servers_metrics(self, _: web.Request) -> web.Response:
        return web.Response(text=f'kun_dns64_upstream_is_dns64{{upstream="udp://192.0.2.53"}} {1 - self.upstream_up}\n')

    async def page(self, request: web.Request) -> web.Response:
        for one in (await request.json())["alerts"]:
            kept = self.told if one["status"] == "firing" else self.resolved
            kept[one["labels"]["alertname"]] += 1
        return web.Response()


@asynccontextmanager
async def served(world: World) -> AsyncIterator[int]:
    app = web.Application()
    app.router.add_get("/kun-nat64", world.gateways_metrics)
    app.router.add_get("/kun-dns64", world.servers_metrics)
    app.router.add_post("/page", world.page)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield port
    finally:
        await runner.cleanup()


class Programs:
    """Those that the test started; ended one by one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, asyncio.subprocess.Process] = {}

    async def start(self, name: str, *argv: str) -> None:
        with (self._folder / f"{name}.log").open("wb") as log:
            self._running[name] = await asyncio.create_subprocess_exec(*argv, stdout=log, stderr=log)

    async def kill(self, *names: str) -> None:
        for name in names:
            process = self._running.pop(name)
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def kill_all(self) -> None:
        await self.kill(*list(self._running))


def impatient(text: str, changes: dict[str, str]) -> str:
    for pattern, value in changes.items():
        text, count = re.subn(pattern, value, text, flags=re.MULTILINE)
        assert count, f"the shipped file has nothing like {pattern}"
    return text


def alertmanagers_file(folder: Path, page: int, heart: int) -> Path:
    changes = {
        r"10\.2\.8\.2:9098": f"127.0.0.1:{page}",
        r"10\.2\.7\.2:9099": f"127.0.0.1:{heart}",
        r"group_wait: \w+": "group_wait: 1s",
        r"group_interval: \w+": "group_interval: 1s",
        r"repeat_interval: 1m": "repeat_interval: 1s",
    }
    text = impatient((CONFIG / "alertmanager.yml").read_text(), changes)
    # No mail leaves this machine.
    text = re.sub(r"^    email_configs:\n      - .*\n", "", text, flags=re.MULTILINE)
    (folder / "alertmanager.yml").write_text(text)
    return folder / "alertmanager.yml"


def prometheus_file(folder: Path, target: int, managers: list[int]) -> Path:
    changes = {
        r"(scrape|evaluation)_interval: \w+": r"\1_interval: 1s",
        r'targets: \["10\.2\.8\.2:9093", "10\.2\.9\.2:9093"\]$': f"targets: {[f'127.0.0.1:{one}' for one in managers]}",
        r"(job_name: (kun-(?:nat64|dns64))\n)(.*\n.*targets: )\[.*?\]": (
            rf"\1    metrics_path: /\2\n\3['127.0.0.1:{target}']"
        ),
    }
    (folder / "prometheus.yml").write_text(impatient((CONFIG / "scrape.yml").read_text(), changes))
    for name in ("rules.yml", "monitoring.yml"):
        (folder / name).write_text(impatient((CONFIG / name).read_text(), {r"^        for: [12]m$": "        for: 1s"}))
    return folder / "prometheus.yml"


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LONGEST_S):
        while not condition():  # noqa: ASYNC110 - other programs tell by files and requests
            await asyncio.sleep(0.1)


def said(calls: Path) -> str:
    return calls.read_text() if calls.exists() else ""


async def for_a_while(condition: Callable[[], bool], seconds: float) -> None:
    for _ in range(int(seconds * 10)):
        assert condition()
        await asyncio.sleep(0.1)


async def test_each_alert_is_told_once_whoever_dies_and_silence_is_noticed(tool: Tool, tmp_path: Path) -> None:
    prometheus = tool("prometheus", "prometheus")
    manager = tool("prometheus-alertmanager", "prometheus-alertmanager")
    world, programs = World(), Programs(tmp_path)
    heart, managers, gossip = free_port(), [free_port(), free_port()], [free_port(), free_port()]
    calls = tmp_path / "calls"
    async with served(world) as port:
        try:
            script = [sys.executable, str(CONFIG / "heartbeat.py"), "--listen", f"127.0.0.1:{heart}", "--silence", "15"]
            await programs.start("heart", *script, "--", "sh", "-c", f"cat >> {calls}")
            file = alertmanagers_file(tmp_path, port, heart)
            for place in (0, 1):
                await programs.start(
                    f"manager{place}", manager, f"--config.file={file}", f"--storage.path={tmp_path}/am{place}",
                    f"--web.listen-address=127.0.0.1:{managers[place]}",
                    f"--cluster.listen-address=127.0.0.1:{gossip[place]}",
                    f"--cluster.peer=127.0.0.1:{gossip[1 - place]}", f"--cluster.peer-timeout={PEER_TIMEOUT_S}s",
                    "--cluster.settle-timeout=1s", "--cluster.gossip-interval=50ms", "--cluster.pushpull-interval=1s",
                )  # fmt: skip
            file = prometheus_file(tmp_path, port, managers)
            for place in (0, 1):
                await programs.start(
                    f"prometheus{place}", prometheus, f"--config.file={file}",
                    f"--storage.tsdb.path={tmp_path}/p{place}", "--rules.alert.resend-delay=2s",
                    f"--web.listen-address=127.0.0.1:{free_port()}",
                )  # fmt: skip
            await _the_story(world, programs, calls)
        finally:
            await programs.kill_all()


async def _the_story(world: World, programs: Programs, calls: Path) -> None:
    told = world.told
    await asyncio.sleep(4)
    world.session_up = 0
    await eventually(lambda: told["KunBgpSessionDown"] > 0)
    await for_a_while(lambda: told["KunBgpSessionDown"] == 1, 2 * PEER_TIMEOUT_S + 1)
    await programs.kill("manager0", "prometheus0")
    world.upstream_up = 0
    await eventually(lambda: told["KunDns64UpstreamSynthesises"] > 0)
    await for_a_while(lambda: told["KunDns64UpstreamSynthesises"] == told["KunBgpSessionDown"] == 1, PEER_TIMEOUT_S + 1)
    assert "KunWatchdog" not in told, "the heart-beat goes to its own receiver"
    assert not said(calls), "the heart beats as long as one of each is there"
    await programs.kill("prometheus1")
    await programs.kill("manager1")
    await eventually(lambda: "no heart-beat" in said(calls))
    await for_a_while(lambda: said(calls).count("no heart-beat") == 1, 2)


async def test_the_receiver_takes_nothing_else_for_a_beat(tmp_path: Path) -> None:
    """Another alert, sent there by mistake, would keep it quiet while KunWatchdog is gone."""
    port, calls, programs = free_port(), tmp_path / "calls", Programs(tmp_path)
    argv = [sys.executable, str(CONFIG / "heartbeat.py"), "--listen", f"127.0.0.1:{port}", "--silence", "2"]
    await programs.start("heart", *argv, "--", "sh", "-c", f"cat >> {calls}")
    other = json.dumps({"alerts": [{"status": "firing", "labels": {"alertname": "Other"}}]})
    ended = json.dumps({"alerts": [{"status": "resolved", "labels": {"alertname": "KunWatchdog"}}]})
    statuses = set[int]()
    try:
        async with aiohttp.ClientSession() as http, asyncio.timeout(LONGEST_S):
            while not said(calls):
                for body in ("nonsense", "[]", other, ended):
                    with suppress(aiohttp.ClientConnectionError):
                        async with http.post(f"http://127.0.0.1:{port}/", data=body) as answer:
                            statuses.add(answer.status)
                await asyncio.sleep(0.2)
            async with http.get(f"http://127.0.0.1:{port}/") as answer:
                assert answer.status == 503
    finally:
        await programs.kill_all()
    assert statuses == {200, 400}
