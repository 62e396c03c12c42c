"""Upstreams over real sockets: UDP with its fallbacks, streams, groups, coalescing."""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset
import pytest

from kun_dns64.config.endpoint import Scheme, UpstreamAddress
from kun_dns64.config.settings import Asking
from kun_dns64.fastpath.selection import choose_parts
from kun_dns64.formats.names import from_text
from kun_dns64.model.message import Response
from kun_dns64.model.question import Question, Rcode, RRType
from kun_dns64.model.step import AskedFlags, FailureKind, UpstreamFailure
from kun_dns64.policy.client_share import DISPLACED_AFTER_S
from kun_dns64.transport.errnos import MEANING, Meaning
from kun_dns64.transport.exchange import MAX_PAUSE_S, RESTART_S
from kun_dns64.transport.upstream_udp import CASE_CHANGES
from kun_dns64.transport.upstreams import Outcome, Upstreams
from tests.dns64.transport.fake import ADDRESS, FakeUpstream, Script, fake_upstream, good, reply_to
from tests.ports import free_port

PLAIN = AskedFlags()
ASKING = Asking(0.05, True, False, False, 100, None, 1.8)
NAME = "www.t.example."
PATIENT_S = 8.0


def question(name: str = NAME, rtype: int = RRType.A) -> Question:
    return Question(from_text(name), rtype)


class Asker:
    """Upstreams, and what came of the questions put to them."""

    def __init__(self, *addresses: UpstreamAddress, asking: Asking = ASKING) -> None:
        self.heard: list[Outcome] = []
        self.upstreams = Upstreams({"": addresses}, asking, self.heard.append, choose_parts().ports)

    async def ask(self, asked: Question | None = None, flags: AskedFlags = PLAIN) -> Outcome:
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.upstreams.ask(asked or question(), flags, "", future.set_result)
        async with asyncio.timeout(PATIENT_S):
            return await future


@asynccontextmanager
async def asker(*upstreams: FakeUpstream | UpstreamAddress, asking: Asking = ASKING) -> AsyncIterator[Asker]:
    made = Asker(*(u.address() if isinstance(u, FakeUpstream) else u for u in upstreams), asking=asking)
    try:
        yield made
    finally:
        await made.upstreams.close()
        await asyncio.sleep(0.01)


def a_of(outcome: Outcome) -> str:
    assert isinstance(outcome.result.outcome, Response), outcome
    return socket.inet_ntoa(outcome.result.outcome.answer[0].rdata)


def failure_of(outcome: Outcome) -> FailureKind:
    assert isinstance(outcome.result.outcome, UpstreamFailure), outcome
    return outcome.result.outcome.kind


def nobody() -> UpstreamAddress:
    return UpstreamAddress.parse(f"udp://127.0.0.1:{free_port()}")


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


async def test_wrong_id_question_and_opcode_are_ignored_and_counted() -> None:
    def script(query: dns.message.Message, transport: str) -> list[bytes]:
        wrong_id, other, right = reply_to(query, "192.0.2.66"), reply_to(query, "192.0.2.67"), reply_to(query)
        wrong_id.id ^= 1
        other.question = [dns.rrset.RRset(dns.name.from_text("other.t.example."), 1, 1)]
        not_a_reply = bytearray(reply_to(query, "192.0.2.68").to_wire())
        not_a_reply[2] &= 0x7F
        return [wrong_id.to_wire(), other.to_wire(), bytes(not_a_reply), right.to_wire()]

    async with fake_upstream(script) as fake, asker(fake) as asks:
        assert a_of(await asks.ask()) == ADDRESS
        assert asks.upstreams.observed.wrong_replies == 3


async def test_a_flood_of_guesses_moves_the_question_to_tcp() -> None:
    def script(query: dns.message.Message, transport: str) -> list[bytes]:
        if transport == "tcp":
            return good(query, transport)
        guesses = [reply_to(query, "192.0.2.66") for _ in range(30)]
        for number, guess in enumerate(guesses, 1):
            guess.id = query.id ^ number
        return [guess.to_wire() for guess in guesses]

    async with fake_upstream(script) as fake, asker(fake) as asks:
        assert a_of(await asks.ask()) == ADDRESS
        assert fake.asked("tcp") == 1


async def test_duplicate_replies_answer_once() -> None:
    def twice(query: dns.message.Message, transport: str) -> list[bytes]:
        return good(query, transport) * 2

    async with fake_upstream(twice) as fake, asker(fake) as asks:
        await asks.ask()
        await asyncio.sleep(0.05)
        assert len(asks.heard) == 1


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


async def test_truncation_leads_to_tcp() -> None:
    def script(query: dns.message.Message, transport: str) -> list[bytes]:
        reply = reply_to(query)
        if transport == "udp":
            reply.flags |= dns.flags.TC
        return [reply.to_wire()]

    async with fake_upstream(script) as fake, asker(fake) as asks:
        assert a_of(await asks.ask()) == ADDRESS
        assert (fake.asked("udp"), fake.asked("tcp")) == (1, 1)


async def test_truncation_without_tcp_is_a_failure_and_no_partial_data() -> None:
    def script(query: dns.message.Message, transport: str) -> list[bytes]:
        reply = reply_to(query)
        reply.flags |= dns.flags.TC
        return [reply.to_wire()]

    async with fake_upstream(script, tcp=False) as fake, asker(fake) as asks:
        assert failure_of(await asks.ask()) is FailureKind.TRUNCATED


def garbled_by_udp(query: dns.message.Message, transport: str) -> list[bytes]:
    wire = reply_to(query).to_wire()
    # The A record's RDLENGTH runs past the end.
    return [wire if transport == "tcp" else wire[:7] + b"\x02" + wire[8:]]


async def test_a_garbled_reply_is_asked_again_by_tcp() -> None:
    async with fake_upstream(garbled_by_udp) as fake, asker(fake) as asks:
        assert a_of(await asks.ask()) == ADDRESS
        assert fake.asked("tcp") == 1


async def test_a_garbled_reply_is_called_that_where_there_is_no_tcp() -> None:
    """Unreachable it is not, and the next question is put to it as before."""
    async with fake_upstream(garbled_by_udp, tcp=False) as fake, asker(fake) as asks:
        assert failure_of(await asks.ask()) is FailureKind.GARBAGE
        assert not asks.upstreams.all[fake.address()].health.down


async def test_icmp_is_a_hint_and_a_refused_connection_makes_an_upstream_down() -> None:
    """The first question waits for one that may only restart; then nobody waits any more."""
    dead = nobody()
    async with asker(dead) as asks:
        began = monotonic()
        assert failure_of(await asks.ask()) is FailureKind.UNREACHABLE
        assert asks.upstreams.all[dead].health.down
        assert RESTART_S - MAX_PAUSE_S < monotonic() - began < RESTART_S + 1
        began = monotonic()
        assert failure_of(await asks.ask(question("next.t.example."))) is FailureKind.UNREACHABLE
        assert monotonic() - began < 0.3


async def test_refused_by_udp_it_is_asked_by_tcp_and_stays_up() -> None:
    async with fake_upstream(udp=False) as fake, asker(fake) as asks:
        assert a_of(await asks.ask()) == ADDRESS
        assert not asks.upstreams.all[fake.address()].health.down


async def test_an_upstream_that_restarts_is_waited_for() -> None:
    port = free_port()
    async with asker(UpstreamAddress.parse(f"udp://127.0.0.1:{port}")) as asks:
        asking = asyncio.create_task(asks.ask())
        await asyncio.sleep(0.6)
        async with fake_upstream(port=port):
            assert a_of(await asking) == ADDRESS


@pytest.mark.parametrize("number", sorted(MEANING), ids=errno.errorcode.get)
@pytest.mark.parametrize("scheme", ["udp", "tcp"])
async def test_a_failed_connect_says_whether_it_is_this_machine(
    monkeypatch: pytest.MonkeyPatch, scheme: str, number: int
) -> None:
    monkeypatch.setattr("kun_dns64.transport.exchange.RESTART_S", 0.0)
    async with fake_upstream() as fake, asker(fake.address(Scheme(scheme))) as asks:
        upstream = asks.upstreams.all[fake.address(Scheme(scheme))]

        async def no_connection(*_arguments: object, **_named: object) -> None:
            raise OSError(number, "no")

        def no_socket() -> None:
            raise OSError(number, "no")

        if scheme == "tcp":
            monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", no_connection)
        else:
            monkeypatch.setattr(type(upstream), "connect", lambda _: no_socket())
        wanted = FailureKind.LOCAL if MEANING[number] is Meaning.LOCAL else FailureKind.UNREACHABLE
        assert failure_of(await asks.ask()) is wanted
        await asyncio.sleep(0.01)
        assert upstream.health.down == (wanted is FailureKind.UNREACHABLE), "and its check says the same"


async def test_formerr_without_opt_is_asked_again_without_edns() -> None:
    def script(query: dns.message.Message, transport: str) -> list[bytes]:
        if query.edns < 0:
            return good(query, transport)
        reply = dns.message.make_response(query)
        reply.use_edns(-1)
        reply.set_rcode(dns.rcode.FORMERR)
        return [reply.to_wire()]

    async with fake_upstream(script) as fake, asker(fake) as asks:
        assert a_of(await asks.ask()) == ADDRESS
        assert fake.asked() == 2


async def test_a_lost_packet_is_sent_again_the_same() -> None:
    lost: list[int] = []

    def script(query: dns.message.Message, transport: str) -> list[bytes]:
        lost.append(query.id)
        return [] if len(lost) == 1 else good(query, transport)

    async with fake_upstream(script) as fake, asker(fake) as asks:
        assert a_of(await asks.ask()) == ADDRESS
        assert fake.seen[0].wire == fake.seen[1].wire
        assert fake.seen[0].port == fake.seen[1].port


async def test_equal_questions_are_asked_once() -> None:
    async with fake_upstream() as fake, asker(fake) as asks:
        outcomes = await asyncio.gather(*(asks.ask(question(NAME.upper() if n % 2 else NAME)) for n in range(20)))
        assert {a_of(outcome) for outcome in outcomes} == {ADDRESS}
        assert len(fake.seen) == 1
        assert asks.upstreams.coalesced == 19


async def test_questions_with_other_flags_are_others() -> None:
    async with fake_upstream() as fake, asker(fake) as asks:
        await asyncio.gather(asks.ask(), asks.ask(flags=AskedFlags(cd=True)), asks.ask(flags=AskedFlags(do=True)))
        assert len(fake.seen) == 3


async def test_beyond_the_bound_questions_fail_at_once() -> None:
    asking = Asking(0.05, True, False, False, 2, None, 1.8)
    async with fake_upstream(lambda query, transport: []) as fake, asker(fake, asking=asking) as asks:
        outcomes: list[Outcome] = []
        for number in range(2):
            asks.upstreams.ask(question(f"n{number}.t.example."), PLAIN, "", outcomes.append)
        assert failure_of(await asks.ask()) is FailureKind.UNREACHABLE
        assert asks.upstreams.overflows == 1
        # They are young, and somebody waits for them; later the older one makes room.
        await asyncio.sleep(DISPLACED_AFTER_S + 0.05)
        asks.upstreams.ask(question("third.t.example."), PLAIN, "", outcomes.append)
        await asyncio.sleep(0.01)
        assert [failure_of(outcome) for outcome in outcomes] == [FailureKind.DISPLACED]
        assert asks.heard == []


async def test_a_question_nobody_waits_for_makes_room_at_once() -> None:
    asking = Asking(0.05, True, False, False, 2, None, 1.8)
    async with fake_upstream(lambda query, transport: []) as fake, asker(fake, asking=asking) as asks:
        outcomes: list[Outcome] = []
        for number in range(2):
            asks.upstreams.ask(question(f"n{number}.t.example."), PLAIN, "", outcomes.append)
        asks.upstreams.abandon(question("n1.t.example."), PLAIN, "", outcomes.append)
        asks.upstreams.ask(question("third.t.example."), PLAIN, "", outcomes.append)
        await asyncio.sleep(0.01)
        assert outcomes == []
        assert asks.upstreams.displaced == 1


async def test_a_late_answer_is_heard_although_nobody_waits() -> None:
    async with fake_upstream() as fake, asker(fake) as asks:
        outcomes: list[Outcome] = []
        asks.upstreams.ask(question(), PLAIN, "", outcomes.append)
        asks.upstreams.abandon(question(), PLAIN, "", outcomes.append)
        await asyncio.sleep(0.2)
        assert outcomes == []
        assert [outcome.awaited for outcome in asks.heard] == [False]


async def test_our_own_question_is_known_when_it_comes_back() -> None:
    loops: list[bool] = []

    async with fake_upstream() as fake, asker(fake) as asks:

        def script(query: dns.message.Message, transport: str) -> list[bytes]:
            loops.append(asks.upstreams.is_own(fake.seen[-1].wire))
            return good(query, transport)

        fake.script = script
        await asks.ask()
        assert loops == [True]
        assert not asks.upstreams.is_own(fake.seen[-1].wire)


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
