"""Several upstreams: which one is asked, and whose answer counts; and streams to one."""

import asyncio
from time import monotonic

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset

from kun_dns64.config.endpoint import Scheme, UpstreamAddress
from kun_dns64.model.message import Response
from kun_dns64.model.question import Rcode
from kun_dns64.model.step import FailureKind
from tests.dns64.transport.asker import a_of, asker, failure_of, nobody, question
from tests.dns64.transport.fake import ADDRESS, Script, fake_upstream, reply_to
from tests.ports import free_port


def failing(rcode: dns.rcode.Rcode, *ede: int) -> Script:
    def script(query: dns.message.Message, transport: str) -> list[bytes]:
        reply = dns.message.make_response(query)
        reply.set_rcode(rcode)
        reply.use_edns(0, options=[dns.edns.EDEOption(code) for code in ede])
        return [reply.to_wire()]

    return script


async def test_servfail_and_refused_lead_to_the_next_upstream() -> None:
    for rcode in (dns.rcode.SERVFAIL, dns.rcode.REFUSED):
        async with fake_upstream(failing(rcode)) as first, fake_upstream() as second, asker(first, second) as asks:
            assert a_of(await asks.ask()) == ADDRESS
            assert len(first.seen) == len(second.seen) == 1


async def test_nxdomain_is_final() -> None:
    script = failing(dns.rcode.NXDOMAIN)
    async with fake_upstream(script) as first, fake_upstream() as second, asker(first, second) as asks:
        outcome = (await asks.ask()).result.outcome
        assert isinstance(outcome, Response)
        assert outcome.rcode == Rcode.NXDOMAIN
        assert second.seen == []


async def test_a_validators_verdict_is_not_gone_around() -> None:
    script = failing(dns.rcode.SERVFAIL, 6)
    async with fake_upstream(script) as first, fake_upstream() as second, asker(first, second) as asks:
        outcome = (await asks.ask()).result.outcome
        assert isinstance(outcome, Response)
        assert outcome.rcode == Rcode.SERVFAIL
        assert second.seen == []


async def test_when_all_fail_the_first_choice_speaks() -> None:
    first_says, second_says = failing(dns.rcode.SERVFAIL, 22), failing(dns.rcode.REFUSED)
    async with (
        fake_upstream(first_says) as first,
        fake_upstream(second_says) as second,
        asker(first, second) as asks,
    ):
        outcome = (await asks.ask()).result.outcome
        assert isinstance(outcome, Response)
        assert (outcome.rcode, outcome.ede[0].code) == (Rcode.SERVFAIL, 22)


async def test_a_silent_upstream_is_left_for_the_next_within_the_budget() -> None:
    async with (
        fake_upstream(lambda query, transport: []) as first,
        fake_upstream() as second,
        asker(first, second) as asks,
    ):
        began = monotonic()
        assert a_of(await asks.ask()) == ADDRESS
        assert monotonic() - began < 1.0


async def test_a_dead_upstream_is_passed_over() -> None:
    dead = nobody()
    async with fake_upstream() as second, asker(dead, second) as asks:
        await asks.ask(question("one.t.example."))
        await asyncio.sleep(0.1)
        assert asks.upstreams.all[dead].health.down
        began = monotonic()
        assert a_of(await asks.ask(question("two.t.example."))) == ADDRESS
        assert monotonic() - began < 0.2


async def test_an_upstream_that_is_down_is_not_asked_beside_another_and_returns_by_its_check() -> None:
    async with fake_upstream() as first, fake_upstream() as second, asker(first, second) as asks:
        health = asks.upstreams.all[first.address()].health
        health.failed(monotonic())
        assert a_of(await asks.ask()) == ADDRESS
        assert (len(first.seen), len(second.seen)) == (0, 1)
        health.on_doubt()
        await asyncio.sleep(0.1)
        assert not health.down
        assert a_of(await asks.ask(question("next.t.example."))) == ADDRESS
        assert (len(first.seen), len(second.seen)) == (2, 1)


async def test_without_any_upstream_questions_fail_at_once_and_nothing_is_usable() -> None:
    async with asker() as asks:
        assert failure_of(await asks.ask()) is FailureKind.UNREACHABLE
        assert not asks.upstreams.usable()
        assert asks.upstreams.first("") is asks.upstreams.lone("") is None


async def test_what_is_known_of_an_upstream_outlives_a_reload() -> None:
    async with fake_upstream() as fake, asker(fake) as before, asker(fake) as after:
        known = before.upstreams.all[fake.address()].health
        known.heard(0.25, monotonic())
        known.failed(monotonic())
        after.upstreams.inherit(before.upstreams)
        health = after.upstreams.all[fake.address()].health
        assert (health.down, health.round_trip.srtt_s) == (True, 0.25)
        await asyncio.sleep(0.1)
        assert not health.down, "its checks go on"


async def test_tcp_upstream_reuses_one_connection_for_many_questions() -> None:
    async with fake_upstream() as fake, asker(fake.address(Scheme.TCP)) as asks:
        await asyncio.gather(*(asks.ask(question(f"n{number}.t.example.")) for number in range(30)))
        await asks.ask(question("last.t.example."))
        assert (fake.connections, fake.asked("tcp"), fake.asked("udp")) == (1, 31, 0)


async def test_answers_on_a_stream_may_come_in_any_order() -> None:
    held: list[bytes] = []

    def backwards(query: dns.message.Message, transport: str) -> list[bytes]:
        held.append(reply_to(query).to_wire())
        return list(reversed(held)) if len(held) == 3 else []

    async with fake_upstream(backwards) as fake, asker(fake.address(Scheme.TCP)) as asks:
        outcomes = await asyncio.gather(*(asks.ask(question(f"n{number}.t.example.")) for number in range(3)))
        assert [a_of(outcome) for outcome in outcomes] == [ADDRESS] * 3


async def test_a_kept_connection_that_died_is_replaced_without_a_word() -> None:
    async with fake_upstream() as fake, asker(fake.address(Scheme.TCP)) as asks:
        fake.close_after = 1
        for number in range(4):
            assert a_of(await asks.ask(question(f"n{number}.t.example."))) == ADDRESS
        assert fake.connections == 4


async def test_a_refused_connection_leads_to_the_next_upstream_at_once() -> None:
    refusing = UpstreamAddress.parse(f"tcp://127.0.0.1:{free_port()}")
    async with fake_upstream() as second, asker(refusing, second) as asks:
        began = monotonic()
        assert a_of(await asks.ask()) == ADDRESS
        assert monotonic() - began < 0.3


async def test_a_connection_closed_without_an_answer_is_a_failure() -> None:
    async def slam(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    server = await asyncio.start_server(slam, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with asker(UpstreamAddress.parse(f"tcp://127.0.0.1:{port}")) as asks:
        assert failure_of(await asks.ask()) is FailureKind.CLOSED
    server.close()
