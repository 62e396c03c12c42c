"""No client, no packet and no passing error of this machine talks a living upstream down."""

import asyncio
import socket
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from tests.dns64.app.running import Running, eventually, running
from tests.dns64.transport.fake import fake_upstream, good
from tests.ports import free_port

ROOT_NS = (".", dns.rdatatype.NS)


def asks_health(query: dns.message.Message) -> bool:
    asked = query.question[0]
    return (asked.name.to_text(), asked.rdtype) == ROOT_NS


def deaf_to_dead(query: dns.message.Message, transport: str) -> list[bytes]:
    """Every name but those of one zone is answered; that zone's servers are dead."""
    if "dead" in query.question[0].name.canonicalize().to_text():
        return []
    return good(query, transport)


def silent(query: dns.message.Message, transport: str) -> list[bytes]:
    return []


async def ready(one: Running) -> int:
    return (await one.page("/readyz"))[0]


async def until_ready(one: Running, status: int) -> None:
    async def reached() -> bool:
        return await ready(one) == status

    await eventually(reached)


async def rcode(one: Running, name: str, timeout_s: float = 4.0) -> str:
    return dns.rcode.to_text((await one.ask(name, timeout_s=timeout_s)).rcode())


async def test_questions_about_a_dead_zone_leave_the_upstreams_up(tmp_path: Path) -> None:
    """Six of them took both upstreams down, and nobody asked them anything to bring them back."""
    async with (
        fake_upstream(deaf_to_dead) as first,
        fake_upstream(deaf_to_dead) as second,
        running(tmp_path, (first.port, second.port)) as one,
    ):
        for round_ in range(2):
            asked = [rcode(one, f"n{round_}-{number}.dead.example.") for number in range(6)]
            assert set(await asyncio.gather(*asked)) == {"SERVFAIL"}
        for _ in range(8):
            await asyncio.sleep(0.5)
            assert await ready(one) == 200
        assert await rcode(one, "well.t.example.") == "NOERROR"


async def test_readiness_returns_without_any_client(tmp_path: Path) -> None:
    async with fake_upstream(silent) as upstream, running(tmp_path, upstream.port) as one:
        for number in range(3):
            await rcode(one, f"n{number}.t.example.")
        await until_ready(one, 503)
        upstream.script = good
        await until_ready(one, 200)
        assert "down" not in (await one.page("/readyz"))[1]


async def test_a_silent_upstream_is_found_out_and_failures_end_with_it(tmp_path: Path) -> None:
    """What was remembered because of an outage ends with the outage."""
    async with fake_upstream(silent) as upstream, running(tmp_path, upstream.port) as one:
        while await ready(one) == 200:
            assert await rcode(one, "www.t.example.") == "SERVFAIL"
            await asyncio.sleep(0.2)
        upstream.script = good
        began = asyncio.get_running_loop().time()
        await until_ready(one, 200)
        assert await rcode(one, "www.t.example.") == "NOERROR"
        assert asyncio.get_running_loop().time() - began < 10


async def test_a_restart_of_the_upstream_costs_no_answer(tmp_path: Path) -> None:
    """0.6 s of refusals by UDP and TCP."""
    port = free_port()
    async with running(tmp_path, port) as one:
        asked = [asyncio.create_task(rcode(one, f"n{number}.t.example.")) for number in range(20)]
        await asyncio.sleep(0.6)
        async with fake_upstream(good, port=port):
            late = [asyncio.create_task(rcode(one, f"late{number}.t.example.")) for number in range(5)]
            assert set(await asyncio.gather(*asked, *late)) == {"NOERROR"}
            await until_ready(one, 200)


async def test_refused_by_udp_and_answered_by_tcp_is_answered(tmp_path: Path) -> None:
    async with fake_upstream(good, udp=False) as upstream, running(tmp_path, upstream.port) as one:
        assert {await rcode(one, f"n{number}.t.example.") for number in range(5)} == {"NOERROR"}
        assert await ready(one) == 200


def unreachable(upstream: int, port: int) -> bytes:
    """ICMP port unreachable, as if 127.0.0.1:`upstream` had sent it for a packet from 127.0.0.1:`port`."""
    loopback = socket.inet_aton("127.0.0.1")
    quoted = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28, 1, 0, 64, 17, 0, loopback, loopback)
    quoted += struct.pack("!HHHH", port, upstream, 8, 0)
    message = struct.pack("!BBHI", 3, 3, 0, 0) + quoted
    total = sum(struct.unpack(f"!{len(message) // 2}H", message))
    total = (total & 0xFFFF) + (total >> 16)
    return message[:2] + struct.pack("!H", ~total & 0xFFFF) + message[4:]


async def test_a_forged_icmp_error_costs_nothing(tmp_path: Path) -> None:
    try:
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    except PermissionError:
        pytest.skip("needs CAP_NET_RAW: run as root")

    def forging(query: dns.message.Message, transport: str) -> list[bytes]:
        """An attacker is faster than the upstream."""
        if transport == "udp" and not asks_health(query):
            raw.sendto(unreachable(upstream.port, upstream.seen[-1].port), ("127.0.0.1", 0))
        return good(query, transport)

    with raw:
        async with fake_upstream(good) as upstream, running(tmp_path, upstream.port) as one:
            upstream.script = forging
            asked = [rcode(one, f"n{number}.t.example.") for number in range(10)]
            assert set(await asyncio.gather(*asked)) == {"NOERROR"}
            assert await ready(one) == 200
            assert 'rcode="SERVFAIL"' not in (await one.page("/metrics"))[1]


FIREWALL = """
table ip kun_test {{
  chain out {{
    type filter hook output priority 0
    udp dport {port} numgen random mod 10 < 2 drop
  }}
}}
"""


def filtered(nft: str, port: int) -> bool:
    command = [nft, "-f", "-"]
    return subprocess.run(command, input=FIREWALL.format(port=port), text=True, check=False).returncode == 0


def unfiltered(nft: str) -> None:
    subprocess.run([nft, "delete", "table", "ip", "kun_test"], check=True)


async def test_packets_that_this_machine_does_not_send_cost_no_answer(
    tmp_path: Path, tool: Callable[[str, str], str]
) -> None:
    """A fifth of all sends ends with EPERM, as where the table of connections is full."""
    nft = tool("nft", "nftables")
    async with fake_upstream(good) as upstream, running(tmp_path, upstream.port) as one:
        if not filtered(nft, upstream.port):
            pytest.skip("needs CAP_NET_ADMIN: run as root")
        try:
            said = [await rcode(one, f"n{number}.t.example.") for number in range(40)]
        finally:
            unfiltered(nft)
        assert set(said) == {"NOERROR"}
        assert await ready(one) == 200


async def test_readiness_tells_forwarding_from_synthesis(tmp_path: Path) -> None:
    gone = free_port()
    more = {"[dns64]": f'gateway_status = ["http://127.0.0.1:{gone}/readyz"]\ngateway_poll_s = 0.1'}
    async with fake_upstream() as upstream, running(tmp_path, upstream.port, more=more) as one:
        await one.logged("gateways pools_down=default")
        status = (await one.status())["ready"]
        assert (status["forward"], status["synthesise"]) == (True, False)
