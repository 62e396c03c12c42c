"""A real Prometheus with the shipped jobs and rules scrapes both programs."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from kun_nat64.agent import counter_loop
from kun_nat64.model.linkcounts import LinkCounts
from tests.dns64.app.running import Running, eventually, running
from tests.dns64.transport.fake import fake_upstream
from tests.gateway_config.dashboards import CONFIG, DASHBOARDS, expressions
from tests.nat64.admin.serving import Served, come_up
from tests.ports import free_port

JOBS = ("kun-dns64", "kun-nat64")
Answer = list[dict[str, Any]]


class Prometheus:
    def __init__(self, port: int, http: aiohttp.ClientSession) -> None:
        self._url, self._http = f"http://127.0.0.1:{port}/api/v1/", http

    async def ask(self, promql: str) -> Answer:
        """Raises AssertionError when Prometheus does not understand it, aiohttp.ClientError before it is there."""
        async with self._http.get(self._url + "query", params={"query": promql}) as response:
            told = await response.json()
        assert told["status"] == "success", (promql, told)
        found: Answer = told["data"]["result"]
        return found

    async def is_true(self, promql: str) -> bool:
        try:
            return bool(await self.ask(promql))
        except aiohttp.ClientError:
            return False

    async def rules(self) -> Answer:
        async with self._http.get(self._url + "rules") as response:
            groups = (await response.json())["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]


def configured(folder: Path, targets: dict[str, int]) -> Path:
    """The shipped files, with this test's targets and no patience."""
    folder.mkdir()
    text = (CONFIG / "prometheus" / "scrape.yml").read_text()
    text = re.sub(r"(scrape|evaluation)_interval: \w+", r"\1_interval: 1s", text)
    for job, port in targets.items():
        text = re.sub(rf"(job_name: {job}\n.*\n.*targets: )\[.*?\]", rf'\1["127.0.0.1:{port}"]', text)
    (folder / "rules.yml").write_text((CONFIG / "prometheus" / "rules.yml").read_text())
    (folder / "prometheus.yml").write_text(text)
    return folder / "prometheus.yml"


@asynccontextmanager
async def prometheus(program: str, folder: Path, targets: dict[str, int]) -> AsyncIterator[Prometheus]:
    port = free_port()
    config = configured(folder, targets)
    flags = (f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}")
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(program, *flags, f"--web.listen-address=127.0.0.1:{port}"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        async with aiohttp.ClientSession() as http:
            yield Prometheus(port, http)
    finally:
        process.terminate()
        await process.wait()


async def some_traffic(server: Running, agent: Served) -> None:
    for number in range(3):
        assert await server.addresses("www.example.") == await server.addresses(f"n{number}.example.")
    await agent.agent.traffic.count()


async def test_every_panel_of_the_dashboards_has_something_to_show(
    tool: Callable[[str, str], str], served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The links of a gateway, which this machine does not have.
    monkeypatch.setattr(counter_loop, "link_counts", lambda _: LinkCounts(5, 0, 0, 5, 0, 0, 700, 600))
    await come_up(served.agent)
    gateways = {"[dns64]": f'gateway_status = ["{served.url}/readyz"]'}
    program = tool("prometheus", "prometheus")
    async with fake_upstream() as fake, running(tmp_path, fake.port, more=gateways) as server:
        targets = {"kun-dns64": server.admin, "kun-nat64": int(served.url.rsplit(":", 1)[1])}
        async with prometheus(program, tmp_path / "prometheus", targets) as asked:
            for job in JOBS:
                await eventually(partial(asked.is_true, f'up{{job="{job}"}} == 1'))
            for _ in range(3):
                await some_traffic(server, served)
                await asyncio.sleep(1.1)
            empty = {
                promql
                for dashboard in DASHBOARDS
                if dashboard.stem != "kun-controller"  # it does not run here
                for promql in expressions(dashboard)
                if not await asked.ask(promql.replace("[1m]", "[10s]"))
            }
            assert empty == set()
            rules = await asked.rules()
            assert {rule["health"] for rule in rules} == {"ok"}
            firing = {rule["name"] for rule in rules if rule.get("state") == "firing"}
            assert firing == set(), "all is well"
