"""A zone that nobody answers for: its questions end before they cost one upstream, and those of others do not."""

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import dns.edns
import dns.message
import dns.rcode
import pytest

from kun_dns64.policy.zone_share import AT_ONCE, FILLS_S
from tests.dns64.app.running import Running, eventually, running
from tests.dns64.hardening.cost import query
from tests.dns64.hardening.quick_upstream import QuickUpstream, quick_upstream
from tests.dns64.hardening.test_shares import ASKED, ATTACKER, FEW, OTHER, asked, client, dead, failures, flood

PER_S = 600
PLAIN = {"KUN_PURE_PYTHON": "1"}
# Of one question.
MOST_SENDS = 3
LOOK_S, ENOUGH = 2.0, 100
# By then what was put before the zone was silent has been sent three times.
SENT_AGAIN_S = 3.0


@pytest.fixture
def upstream() -> Iterator[QuickUpstream]:
    with quick_upstream(dead) as made:
        yield made


async def refusals(one: Running, more: float) -> None:
    """Wait until so many more questions have been refused."""
    before = await one.number("upstream_refused_total")

    async def are_refused() -> bool:
        return await one.number("upstream_refused_total") >= before + more

    await eventually(are_refused)


def ede_codes(reply: dns.message.Message) -> list[int]:
    return [option.code for option in reply.options if isinstance(option, dns.edns.EDEOption)]


@pytest.mark.parametrize("environment", [{}, PLAIN], ids=["compiled", "plain"])
async def test_questions_in_a_silent_zone_are_answered_without_an_upstream(
    tmp_path: Path, upstream: QuickUpstream, environment: dict[str, str]
) -> None:
    async with running(tmp_path, upstream.port, environment=environment) as one:
        attack = asyncio.create_task(flood(ATTACKER, one.port, "dead.example", PER_S))
        await refusals(one, ENOUGH)
        await asyncio.sleep(SENT_AGAIN_S)
        seen, began = upstream.seen, time.monotonic()
        await refusals(one, ENOUGH)
        # As many as find out, those of before too that are sent again, however fast this machine is.
        may_be_put = AT_ONCE[0] / FILLS_S * (time.monotonic() - began + SENT_AGAIN_S)
        assert upstream.seen - seen <= MOST_SENDS * may_be_put
        udp = await asked(OTHER, one, "other.dead.example.")
        tcp = await one.ask("third.dead.example", "A", tcp=True)
        for reply in (udp, tcp):
            assert reply.rcode() == dns.rcode.SERVFAIL
            assert dns.edns.EDECode.NO_REACHABLE_AUTHORITY in ede_codes(reply)
        assert await failures(OTHER, one, "well.example") <= FEW
        attack.cancel()


async def test_the_upstream_stays_up_and_the_server_ready(tmp_path: Path, upstream: QuickUpstream) -> None:
    async with running(tmp_path, upstream.port) as one:
        attack = asyncio.create_task(flood(ATTACKER, one.port, "dead.example", PER_S))
        await refusals(one, 10 * ENOUGH)
        assert (await one.page("/readyz"))[0] == 200
        assert "upstream-down" not in one.log_text()
        attack.cancel()


async def test_a_zone_that_is_back_is_asked_again(tmp_path: Path, upstream: QuickUpstream) -> None:
    async with running(tmp_path, upstream.port) as one:
        attack = asyncio.create_task(flood(ATTACKER, one.port, "dead.example", PER_S))
        await refusals(one, ENOUGH)
        upstream.is_dead = lambda _: False
        began = time.monotonic()

        async def is_back() -> bool:
            reply = await asked(OTHER, one, f"n{time.monotonic_ns()}.dead.example.")
            return reply.rcode() == dns.rcode.NOERROR

        await eventually(is_back)
        refused = await one.number("upstream_refused_total")
        assert await failures(OTHER, one, "dead.example") == 0
        assert await one.number("upstream_refused_total") == refused
        assert time.monotonic() - began < 30
        attack.cancel()


async def test_names_that_do_not_exist_are_no_silence(tmp_path: Path, upstream: QuickUpstream) -> None:
    """Random names of a zone that is well: each has an answer."""
    upstream.is_unknown = lambda name: name.endswith(b"\x06random\x07example\x00")
    async with running(tmp_path, upstream.port) as one:
        attack = asyncio.create_task(flood(ATTACKER, one.port, "random.example", PER_S // 2))
        await asyncio.sleep(LOOK_S)
        reply = await asked(OTHER, one, "also.random.example.")
        assert reply.rcode() == dns.rcode.NXDOMAIN
        assert await one.number("upstream_refused_total") == 0
        attack.cancel()


async def test_nor_is_a_zone_of_whose_names_half_are_answered(tmp_path: Path, upstream: QuickUpstream) -> None:
    upstream.is_dead = lambda name: b"\x04half\x07example" in name and sum(name) % 2 == 1
    async with running(tmp_path, upstream.port) as one:
        attack = asyncio.create_task(flood(ATTACKER, one.port, "half.example", PER_S))
        await asyncio.sleep(LOOK_S)
        assert await one.number("upstream_refused_total") == 0
        assert await failures(OTHER, one, "well.example") <= FEW
        attack.cancel()


async def test_a_dead_zone_leaves_its_neighbours_alone(tmp_path: Path, upstream: QuickUpstream) -> None:
    """The same domain, and one of its zones is dead."""
    upstream.is_dead = lambda name: name.endswith(b"\x04lost\x04corp\x07example\x00")
    async with running(tmp_path, upstream.port) as one:
        attack = asyncio.create_task(flood(ATTACKER, one.port, "lost.corp.example", PER_S))
        await refusals(one, ENOUGH)
        assert await failures(OTHER, one, "corp.example") <= FEW
        await refusals(one, ENOUGH)
        assert await failures(OTHER, one, "corp.example") <= FEW
        attack.cancel()


async def test_many_dead_zones_at_once(tmp_path: Path, upstream: QuickUpstream) -> None:
    """Each is asked too seldom to be refused; together they have what one client has."""
    upstream.is_dead = lambda name: b"\x04dead" in name
    async with running(tmp_path, upstream.port, more={"[server]": "client_max_waiting = 150"}) as one:
        floods = [asyncio.create_task(flood(ATTACKER, one.port, f"dead.z{n}x", PER_S // 40)) for n in range(40)]
        await asyncio.sleep(2 * LOOK_S)
        assert await failures(OTHER, one, "well.example") <= FEW
        for one_flood in floods:
            one_flood.cancel()


async def test_a_zone_that_is_slow_is_answered(tmp_path: Path) -> None:
    """Later than any timeout, and more at once than a share: as many as come are answered, once one is."""
    held = threading.Event()
    with quick_upstream(held=held) as slow:
        async with running(tmp_path, slow.port, more={"[upstream]": "stagger_ms = 0"}) as one:
            with client(OTHER, one.port) as sock:
                for number in range(ASKED):
                    sock.send(query(f"n{number}.slow.example.", "A", ident=number))
                await asyncio.sleep(0.8)
                held.set()
                loop, found = asyncio.get_running_loop(), []
                async with asyncio.timeout(8):
                    while len(found) < ASKED:
                        found.append(dns.message.from_wire(await loop.sock_recv(sock, 4096)).rcode())
                assert set(found) == {dns.rcode.NOERROR}
