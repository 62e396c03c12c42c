"""The case of a name is drawn at random and must come back (draft-vixie-dnsext-dns0x20)."""

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset

from kun_dns64.config.settings import Asking
from kun_dns64.formats.names import from_text
from kun_dns64.model.message import Response
from kun_dns64.transport.upstream_udp import CASE_CHANGES
from tests.dns64.transport.asker import a_of, asker, question
from tests.dns64.transport.fake import ADDRESS, FakeUpstream, fake_upstream, good, reply_to


async def test_udp_answer_is_read_with_the_case_of_the_question() -> None:
    async with fake_upstream() as fake, asker(fake) as asks:
        outcome = await asks.ask(question("wWw.T.exAmple."))
        assert a_of(outcome) == ADDRESS
        assert isinstance(outcome.result.outcome, Response)
        assert outcome.result.outcome.answer[0].name == from_text("wWw.T.exAmple.")


async def test_every_question_has_random_case_id_and_port() -> None:
    async with fake_upstream() as fake, asker(fake) as asks:
        for number in range(60):
            await asks.ask(question(f"a-name-with-letters-{number}.t.example."))
        names = {one.wire[12:40] for one in fake.seen}
        assert len({one.port for one in fake.seen}) > 50
        assert len({one.wire[:2] for one in fake.seen}) > 50
        assert any(name != name.lower() for name in names)


async def test_case_is_left_alone_where_the_operator_says_so() -> None:
    asking = Asking(0.05, False, False, False, 100, None, 1.8)
    async with fake_upstream() as fake, asker(fake, asking=asking) as asks:
        await asks.ask(question("only-lower-case.t.example."))
        assert b"only-lower-case" in fake.seen[0].wire


LONG = "many-letters-so-that-some-are-surely-changed.t.example."


def lowering(query: dns.message.Message, transport: str) -> list[bytes]:
    reply, asked = reply_to(query), query.question[0]
    reply.question = [dns.rrset.RRset(asked.name.canonicalize(), asked.rdclass, asked.rdtype)]
    return [reply.to_wire()]


def lowered_then_right(query: dns.message.Message, transport: str) -> list[bytes]:
    """By UDP a reply that somebody may have forged, without having seen the letters, comes first."""
    return lowering(query, transport) + good(query, transport) if transport == "udp" else good(query, transport)


def last_name(fake: FakeUpstream) -> bytes:
    return fake.seen[-1].wire[12:-15]


async def test_an_upstream_that_changes_case_is_asked_by_tcp_and_then_in_plain_case() -> None:
    async with fake_upstream(lowering) as fake, asker(fake) as asks:
        assert a_of(await asks.ask(question(LONG))) == ADDRESS
        assert (fake.asked("udp"), fake.asked("tcp")) == (1, 1)
        for name in ("x" + LONG, "IN-capitals-" + LONG):
            assert a_of(await asks.ask(question(name))) == ADDRESS
            assert last_name(fake) == from_text(name)
        assert (fake.asked("udp"), fake.asked("tcp")) == (3, 1)
        assert asks.upstreams.observed.case_fallbacks == 1


async def test_an_upstream_that_changes_case_and_has_no_tcp_is_asked_in_plain_case() -> None:
    async with fake_upstream(tcp=False) as fake, asker(fake) as asks:
        await asks.ask(question(LONG))
        fake.script = lowering
        for number in range(5):
            assert a_of(await asks.ask(question(f"n{number}-{LONG}"))) == ADDRESS
        assert asks.upstreams.observed.case_fallbacks == CASE_CHANGES


async def test_case_changes_nothing_where_it_is_not_drawn() -> None:
    asking = Asking(0.05, False, False, False, 100, None, 1.8)
    async with fake_upstream(lowering) as fake, asker(fake, asking=asking) as asks:
        assert a_of(await asks.ask(question(LONG.upper()))) == ADDRESS
        assert (fake.asked("udp"), fake.asked("tcp")) == (1, 0)


async def test_one_reply_in_another_case_leaves_the_case_random() -> None:
    async with fake_upstream() as fake, asker(fake) as asks:
        await asks.ask(question(LONG))
        for number in range(3 * CASE_CHANGES):
            fake.script = lowered_then_right if number % CASE_CHANGES else good
            assert a_of(await asks.ask(question(f"n{number}-{LONG}"))) == ADDRESS
        assert asks.upstreams.observed.case_fallbacks == fake.asked("tcp") == 3 * (CASE_CHANGES - 1)
        fake.script = good
        await asks.ask(question("last-" + LONG))
        assert last_name(fake) != from_text("last-" + LONG)


async def test_an_upstream_that_begins_to_change_case_is_found_out() -> None:
    async with fake_upstream() as fake, asker(fake) as asks:
        await asks.ask(question(LONG))
        fake.script = lowering
        for number in range(CASE_CHANGES + 3):
            assert a_of(await asks.ask(question(f"n{number}-{LONG}"))) == ADDRESS
        assert fake.asked("tcp") == asks.upstreams.observed.case_fallbacks == CASE_CHANGES
