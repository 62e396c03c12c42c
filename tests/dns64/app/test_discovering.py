"""`kun-dns64 discover`: the prefix as clients find it."""

import asyncio
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun_base.prefix import LENGTHS, Prefix
from kun_dns64.cli.discover import prefixes_in
from tests.dns64.app.running import PREFIX, PROGRAM, running
from tests.dns64.transport.fake import fake_upstream
from tests.ports import free_port


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("last", [170, 171])
def test_every_length_is_recognised(length: int, last: int) -> None:
    prefix = Prefix.parse(f"{IPv6Address(0x20010DB8_01220344 << 64 >> (128 - length) << (128 - length))}/{length}")
    assert prefixes_in([prefix.embed(IPv4Address(f"192.0.0.{last}"))]) == (prefix,)


@given(st.lists(st.integers(0, 2**128 - 1).map(IPv6Address), max_size=5))
def test_no_address_is_taken_for_more_than_it_says(addresses: list[IPv6Address]) -> None:
    for prefix in prefixes_in(addresses):
        assert {prefix.embed(IPv4Address("192.0.0.170")), prefix.embed(IPv4Address("192.0.0.171"))} & set(addresses)


def test_a_real_address_shows_no_prefix() -> None:
    assert prefixes_in([IPv6Address("2001:db8::1"), IPv6Address("64:ff9b::c000:221")]) == ()


async def discover(port: int) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        PROGRAM, "discover", f"127.0.0.1:{port}", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_the_prefix_of_a_running_server_is_found(tmp_path: Path) -> None:
    async with fake_upstream() as fake, running(tmp_path, fake.port) as one:
        assert await discover(one.port) == (0, f"{PREFIX}/96\n", "")
        status, out, err = await discover(fake.port)
        assert (status, out) == (1, "")
        assert "it is not a DNS64" in err


async def test_a_server_that_is_not_there_is_told() -> None:
    status, out, err = await discover(free_port())
    assert (status, out) == (1, "")
    assert err.startswith("127.0.0.1:")
    assert "Traceback" not in err
