"""The events that an operator reads in the log of a real server."""

import asyncio
import json
from contextlib import suppress
from pathlib import Path

import dns.exception
import pytest

from tests.dns64.app.running import PROGRAM, Running, running
from tests.dns64.transport.fake import fake_upstream
from tests.ports import free_port


def silent(_query: object, _transport: str) -> list[bytes]:
    return []


def lines(log: str, event: str) -> list[str]:
    return [line for line in log.splitlines() if f" {event} " in line]


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_dead_upstream_a_dead_group_and_their_return_are_one_line_each(tmp_path: Path, workers: int) -> None:
    async with fake_upstream() as fake, running(tmp_path, fake.port, workers=workers) as one:
        await one.addresses("first.t.example.")
        answers, fake.script = fake.script, silent

        asking = asyncio.create_task(_keep_asking(one))
        await one.logged("group-down")
        fake.script = answers
        await one.logged("group-up")
        text = one.log_text()
        (down,), (up,) = lines(text, "upstream-down"), lines(text, "upstream-up")
        assert 'why="no answer to . NS within 1.5 s"' in down
        assert "down_s=" in up
        assert len(lines(text, "group-down")) == len(lines(text, "group-up")) == 1
        asking.cancel()


async def _keep_asking(one: Running) -> None:
    for number in range(1000):
        with suppress(dns.exception.Timeout):
            await one.ask(f"n{number}.t.example.", timeout_s=0.05)


async def test_a_failed_attempt_before_the_failover_is_counted(tmp_path: Path) -> None:
    """The first upstream says nothing, the second answers: both attempts are counted."""
    async with fake_upstream() as mute, fake_upstream() as good:
        mute.script = silent
        async with running(tmp_path, [mute.port, good.port]) as one:
            await one.addresses("www.t.example.")
            _, text = await one.page("/metrics")
            row = f'kun_dns64_upstream_results_total{{result="timeout",upstream="udp://127.0.0.1:{mute.port}"}}'
            assert any(line.startswith(row) for line in text.splitlines()), text
            assert f'result="NOERROR",upstream="udp://127.0.0.1:{good.port}"' in text


async def test_an_upstream_that_refuses_before_the_failover_is_counted(tmp_path: Path) -> None:
    async with fake_upstream() as good:
        nobody = free_port()
        async with running(tmp_path, [nobody, good.port]) as one:
            await one.addresses("www.t.example.")
            _, text = await one.page("/metrics")
            assert f'result="unreachable",upstream="udp://127.0.0.1:{nobody}"' in text


async def test_the_ready_line_names_what_is_served_and_has_a_time(tmp_path: Path) -> None:
    async with fake_upstream() as fake, running(tmp_path, fake.port) as one:
        (ready,) = lines(one.log_text(), "ready")
        for words in (f"upstreams=udp://127.0.0.1:{fake.port}", "prefixes=2002:c633:6440::/96", f"file={one.config}"):
            assert words in ready
        assert ready.partition("T")[0].count("-") == 2


async def test_a_reload_says_what_changed(tmp_path: Path) -> None:
    async with fake_upstream() as fake, running(tmp_path, fake.port) as one:
        one.config.write_text(one.config.read_text().replace("[dns64]", "[cache]\nmax_ttl_s = 60\n[dns64]"))
        one.hang_up()
        await one.logged("reloaded")
        (line,) = lines(one.log_text(), "reloaded")
        assert "cache.max_ttl_s: (default) -> 60" in line
        one.hang_up()
        await one.logged("nothing in the file")


async def test_a_gateway_that_falls_is_said_with_its_pool(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}/readyz"
    more = {"[dns64]": f'gateway_status = ["{url}"]\ngateway_poll_s = 0.1\non_gateway_down = "stop"'}
    async with fake_upstream() as fake, running(tmp_path, fake.port, more=more) as one:
        await one.logged("gateways pools_down=default")
        (down,) = lines(one.log_text(), "gateway-down")
        assert f"pool=default gateway={url}" in down
        assert 'effect="default: no synthesis"' in one.log_text()


async def test_json_lines_are_json(tmp_path: Path) -> None:
    config = tmp_path / "k.toml"
    config.write_text(
        f'[server]\nlisten = ["127.0.0.1:{free_port()}"]\nlog_format = "json"\nworkers = 1\n'
        '[admin]\nlisten = ""\n[control]\nsocket = "none"\n[upstream]\nservers = ["udp://127.0.0.1:1"]\n'
    )
    process = await asyncio.create_subprocess_exec(PROGRAM, "serve", "--config", config, stderr=asyncio.subprocess.PIPE)
    assert process.stderr is not None
    first = json.loads(await process.stderr.readline())
    process.terminate()
    events = [first, *(json.loads(line) for line in (await process.stderr.read()).splitlines())]
    assert await process.wait() == 0
    assert {"ready", "stopped"} <= {event["event"] for event in events}
