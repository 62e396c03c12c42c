"""What the numbers tell about decisions, and what keeps the program's own traffic in bounds."""

import asyncio
import re
import socket
from collections.abc import Mapping
from pathlib import Path

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from tests.dns64.app.running import Running, eventually, running
from tests.dns64.transport.fake import FakeUpstream, fake_upstream, reply_to

# By first label: what AAAA meets. A is always there.
MEETS = {
    "nodata": "synthesised-nodata",
    "refused": "synthesised-error",
    "silent": "synthesised-timeout",
    "mapped": "synthesised-excluded",
    "forced": "synthesised-forced",
    "real": "real-aaaa",
    "never": "not-for-zone",
    "loopback": "ipv4-denied",
    "nowhere": "nxdomain",
}
ADDRESSES = {"mapped": "::ffff:192.0.2.1", "real": "2001:db8::1", "forced": "2001:db8::1"}


def scripted(query: dns.message.Message, transport: str) -> list[bytes]:
    name, rdtype = query.question[0].name, query.question[0].rdtype
    label = name.labels[0].decode().lower()
    reply = reply_to(query, "127.0.0.1" if label == "loopback" else "192.0.2.33")
    if label == "nowhere":
        reply.set_rcode(dns.rcode.NXDOMAIN)
        reply.answer.clear()
    if rdtype != dns.rdatatype.AAAA:
        return [reply.to_wire()]
    if label == "silent":
        return []
    if label == "refused":
        reply.set_rcode(dns.rcode.REFUSED)
        reply.authority.clear()
    elif label in ADDRESSES:
        reply.authority.clear()
        reply.answer.append(dns.rrset.from_text(name, 60, "IN", "AAAA", ADDRESSES[label]))
    return [reply.to_wire()]


async def by_rule(one: Running, metric: str) -> Mapping[str, float]:
    text = (await one.page("/metrics"))[1]
    return {
        rule: float(value)
        for rule, value in re.findall(rf'^kun_dns64_{metric}{{[^}}]*rule="([^"]*)"[^}}]*}} (\S+)$', text, re.MULTILINE)
    }


async def test_every_reason_for_synthesis_and_against_it_has_its_count(tmp_path: Path) -> None:
    more = {
        "[[zone]]": 'suffix = "forced.t.example"\ndns64 = "force"',
        "[[zone]] ": 'suffix = "never.t.example"\ndns64 = "never"',
    }
    async with fake_upstream(scripted) as fake, running(tmp_path, fake.port, more=more) as one:
        for label in MEETS:
            await one.ask(f"{label}.t.example.")
        assert await by_rule(one, "replies_total") == dict.fromkeys(MEETS.values(), 1.0)
        # A second time: finished answers are counted by the same reasons.
        await one.ask("nodata.t.example.")
        assert await by_rule(one, "fast_replies_total") == {"synthesised-nodata": 1.0}


async def test_shadow_mode_counts_what_it_would_have_made(tmp_path: Path) -> None:
    async with fake_upstream(scripted) as fake, running(tmp_path, fake.port, more={"[dns64]": "shadow = true"}) as one:
        assert await one.addresses("nodata.t.example.") == []
        assert await one.addresses("real.t.example.") == ["2001:db8::1"]
        assert sum((await by_rule(one, "shadowed_total")).values()) == 1


async def test_both_halves_of_a_used_name_are_fetched_anew_before_they_end(tmp_path: Path) -> None:
    """TTL 11: in the last second of its life an answer from the cache is a reason to ask again."""

    def short(query: dns.message.Message, transport: str) -> list[bytes]:
        return [reply_to(query, ttl=11).to_wire()]

    async with fake_upstream(short) as fake, running(tmp_path, fake.port) as one:
        began = asyncio.get_running_loop().time()
        assert await one.addresses("www.t.example.")
        assert len(fake.seen) == 2
        await asyncio.sleep(began + 9.2 - asyncio.get_running_loop().time())
        # Ages are whole seconds of the program's clock, so the last one begins somewhere in the next.
        while len(fake.seen) == 2:
            assert await one.addresses("www.t.example.")
            await asyncio.sleep(0.05)
        await eventually(lambda: asked_again(fake))
        assert await one.number("background_refreshes_total") == 2
        await asyncio.sleep(began + 12 - asyncio.get_running_loop().time())
        assert await one.addresses("www.t.example.")
        assert len(fake.seen) == 4, "fetched in time: nobody had to wait"


async def asked_again(fake: FakeUpstream) -> bool:
    return len(fake.seen) == 4


@pytest.mark.parametrize("workers", [1, 2])
async def test_an_upstream_that_sends_our_questions_back_is_a_loop_whichever_worker_hears_them(
    tmp_path: Path, workers: int
) -> None:
    async with fake_upstream() as fake, running(tmp_path, fake.port, workers=workers) as one:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forwarder:
            # A forwarder that keeps id and case, with one source port.
            forwarder.connect(("127.0.0.1", one.port))

            def back(query: dns.message.Message, transport: str) -> list[bytes]:
                forwarder.send(fake.seen[-1].wire)
                return []

            fake.script = back
            replies = await asyncio.gather(*(one.ask(f"n{number}.t.example.") for number in range(16)))
            assert {reply.rcode() for reply in replies} == {dns.rcode.SERVFAIL}
            assert await one.number("loops_total") >= 16
