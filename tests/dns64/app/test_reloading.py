"""What a reload changes beside rules and listening addresses: the admin address, the log, the number of workers."""

import asyncio
import socket
from pathlib import Path

import pytest

from tests.dns64.app.running import running
from tests.dns64.transport.fake import fake_upstream
from tests.ports import free_port

ALONE_AND_TWO = pytest.mark.parametrize("workers", [1, 2])


@ALONE_AND_TWO
async def test_the_admin_pages_move_with_a_reload(tmp_path: Path, workers: int) -> None:
    async with fake_upstream() as fake, running(tmp_path, fake.port, workers=workers) as one:
        before, one.admin = one.admin, free_port()
        one.config.write_text(one.config.read_text().replace(str(before), str(one.admin)))
        one.hang_up()
        await one.logged("reloaded generation=1")
        assert (await one.page("/healthz"))[0] == 200
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", before)


async def test_an_admin_address_in_use_is_refused_at_reload_with_all_the_rest(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        async with fake_upstream() as fake, running(tmp_path, fake.port) as one:
            text = one.config.read_text().replace(str(one.admin), str(taken.getsockname()[1]))
            one.config.write_text(text.replace("198.51.100.64", "198.51.100.65"))
            one.hang_up()
            await one.until("config_valid", 0)
            assert "admin.listen" in (await one.status())["config"]["problems"][0]
            assert await one.addresses("www.t.example.") == ["2002:c633:6440::c000:221"]


async def test_the_form_of_the_log_changes_with_a_reload(tmp_path: Path) -> None:
    async with fake_upstream() as fake, running(tmp_path, fake.port) as one:
        one.config.write_text(one.config.read_text().replace("[server]\n", '[server]\nlog_format = "json"\n'))
        one.hang_up()
        await one.logged('"event": "reloaded"')


async def test_one_process_says_that_more_of_them_need_a_restart(tmp_path: Path) -> None:
    async with fake_upstream() as fake, running(tmp_path, fake.port) as one:
        one.config.write_text(one.config.read_text().replace("workers = 1", "workers = 2"))
        one.hang_up()
        await one.logged("needs-restart key=server.workers")
        assert await one.addresses("www.t.example.")


async def test_a_stranger_to_http_is_refused_without_a_word_in_the_log(tmp_path: Path) -> None:
    async with fake_upstream() as fake, running(tmp_path, fake.port) as one:
        assert (await one.page("/" + "x" * 9000))[0] == 400
        reader, writer = await asyncio.open_connection("127.0.0.1", one.admin)
        writer.write(b"\x16\x03\x01\x02\x00 no http\r\n\r\n")
        assert b" 400 " in await reader.readline()
        writer.close()
        assert "Traceback" not in one.log_text()


async def test_types_that_every_query_is_refused_for_are_not_explained(tmp_path: Path) -> None:
    async with fake_upstream() as fake, running(tmp_path, fake.port) as one:
        for rtype in ("AXFR", "OPT", "TYPE0"):
            status, text = await one.page(f"/explain?name=www.t.example&type={rtype}")
            assert (status, rtype in text) == (400, True)
        assert not fake.seen
