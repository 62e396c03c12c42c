"""The shipped probe of names, by the real black-box exporter: it likes our server's answer, and that of no other."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import aiohttp

from tests.dns64.app.running import VIP, running
from tests.ports import free_port

CONFIG = Path(__file__).parents[2] / "gateway-config" / "prometheus"


async def answer(exporter: int, target: str) -> str:
    url = f"http://127.0.0.1:{exporter}/probe?module=kun_dns64_answer&target={target}"
    async with aiohttp.ClientSession() as session:
        for _ in range(300):
            try:
                async with session.get(url) as got:
                    return next(line for line in (await got.text()).splitlines() if line.startswith("probe_success"))
            except aiohttp.ClientConnectorError:  # it is starting
                await asyncio.sleep(0.1)
    raise AssertionError("the exporter does not answer")


async def test_the_probe_of_names_likes_our_prefix_alone(tool: Callable[[str, str], str], tmp_path: Path) -> None:
    program, port = tool("prometheus-blackbox-exporter", "prometheus-blackbox-exporter"), free_port()
    flags = (f"--config.file={CONFIG / 'blackbox.yml'}", f"--web.listen-address=127.0.0.1:{port}")
    with (tmp_path / "exporter.log").open("wb") as log:
        exporter = await asyncio.create_subprocess_exec(program, *flags, stdout=log, stderr=log)
    try:
        async with running(tmp_path, free_port()) as server:
            target = f"127.0.0.1:{server.port}"
            assert await answer(port, target) == "probe_success 0", "another prefix"
            server.config.write_text(server.config.read_text().replace(VIP, "203.0.113.1"))
            server.hang_up()
            await server.logged("reload")
            assert await answer(port, target) == "probe_success 1"
    finally:
        exporter.kill()
        await exporter.wait()
