"""Reloads by SIGHUP, and when a file changes: addresses and domain files."""

import asyncio
import socket
from pathlib import Path

import dns.message
import dns.rcode
import pytest

from tests.dns64.app.running import PREFIX, eventually, running
from tests.dns64.app.test_serving import asked, hold
from tests.dns64.transport.fake import fake_upstream
from tests.ports import free_port

ANSWER = [f"{PREFIX}c000:221"]
ALONE_AND_TWO = pytest.mark.parametrize("workers", [1, 2])


@ALONE_AND_TWO
async def test_hang_up_puts_a_good_file_in_force_everywhere_and_a_bad_one_nowhere(tmp_path: Path, workers: int) -> None:
    async with fake_upstream() as fake, running(tmp_path, fake.port, workers=workers) as one:
        names = [f"n{number}.t.example." for number in range(10)]
        for name in names:
            assert await one.addresses(name) == ANSWER
        text = one.config.read_text()
        one.config.write_text(text.replace("198.51.100.64", "198.51.100.65"))
        one.hang_up()
        await one.until("config_reloads_total", 1)
        asked = len(fake.seen)
        for name in names:
            assert await one.addresses(name) == ["2002:c633:6441::c000:221"]
        assert len(fake.seen) <= asked + 2 * len(names) * (workers - 1), "a reload must not empty the cache"
        one.config.write_text(text + "nonsense = 1\n")
        one.hang_up()
        await one.until("config_valid", 0)
        for name in names:
            assert await one.addresses(name) == ["2002:c633:6441::c000:221"]
        assert "nonsense" in (await one.status())["config"]["problems"][0]


@ALONE_AND_TWO
async def test_other_listening_addresses_are_served_after_a_reload(tmp_path: Path, workers: int) -> None:
    async with fake_upstream() as fake, running(tmp_path, fake.port, workers=workers) as one:
        before, one.port = one.port, free_port()
        one.config.write_text(one.config.read_text().replace(str(before), str(one.port)))
        one.hang_up()
        await one.until("config_reloads_total", 1)
        assert await one.addresses("www.t.example.") == ANSWER
        assert (await one.status())["listen"] == [f"127.0.0.1:{one.port}"]
        one.port = before
        with pytest.raises((dns.exception.Timeout, OSError)):
            await one.ask("www.t.example.", tcp=True, timeout_s=0.5)


@ALONE_AND_TWO
async def test_a_reload_that_drops_an_address_answers_what_was_taken_there(tmp_path: Path, workers: int) -> None:
    """And then nobody listens there any more."""
    more = {"[server]": "budget_s = 5"}
    async with fake_upstream() as fake, running(tmp_path, fake.port, workers=workers, more=more) as one:
        held = hold(fake)
        asking = [asyncio.create_task(one.ask(f"n{number}.t.example.", timeout_s=9)) for number in range(10)]
        await eventually(lambda: asked(fake, 10))
        before, one.port = one.port, free_port()
        one.config.write_text(one.config.read_text().replace(str(before), str(one.port)))
        one.hang_up()
        await one.until("config_reloads_total", 1)
        held.set()
        replies = await asyncio.gather(*asking)
        assert [[record.to_text() for rrset in reply.answer for record in rrset] for reply in replies] == [ANSWER] * 10
        assert await one.addresses("www.t.example.") == ANSWER
        await eventually(lambda: is_free(before))


async def is_free(port: int) -> bool:
    """No UDP socket is bound to it."""
    return port not in udp_ports()


def udp_ports() -> set[int]:
    lines = Path("/proc/net/udp").read_text().splitlines()[1:]
    return {int(line.split()[1].rpartition(":")[2], 16) for line in lines}


@ALONE_AND_TWO
async def test_an_address_in_use_is_refused_at_reload_and_the_old_ones_stay(tmp_path: Path, workers: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        async with fake_upstream() as fake, running(tmp_path, fake.port, workers=workers) as one:
            one.config.write_text(one.config.read_text().replace(f":{one.port}", f":{port}"))
            one.hang_up()
            await one.until("config_valid", 0)
            assert await one.addresses("www.t.example.") == ANSWER


async def test_a_domain_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("here.example\n")
    more = {"[[pool]]": 'name = "o"\nvip = "203.0.113.129"\ndomain_files = ["names.txt"]'}
    async with fake_upstream() as fake, running(tmp_path, fake.port, more=more) as one:
        assert await one.addresses("www.here.example.") == ["2002:cb00:7181::c000:221"]
        assert await one.addresses("www.there.example.") == ANSWER
        names.write_text("there.example\n")
        await one.until("config_reloads_total", 1)
        assert await one.addresses("www.there.example.") == ["2002:cb00:7181::c000:221"]
        assert await one.addresses("www.here.example.") == ANSWER
        names.write_text("there..example\n")
        await one.until("config_valid", 0)
        assert await one.addresses("www.there.example.") == ["2002:cb00:7181::c000:221"]


async def test_the_file_itself_is_watched_where_the_operator_says_so(tmp_path: Path) -> None:
    more = {"[server]": "watch_config = true"}
    async with fake_upstream() as fake, running(tmp_path, fake.port, more=more) as one:
        one.config.write_text(one.config.read_text().replace("198.51.100.64", "198.51.100.65"))
        await one.until("config_reloads_total", 1)
        assert await one.addresses("www.t.example.") == ["2002:c633:6441::c000:221"]
