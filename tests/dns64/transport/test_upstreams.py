"""One upstream over real sockets: UDP with its fallbacks, coalescing."""

import asyncio
import errno
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
from kun_dns64.model.step import AskedFlags, FailureKind
from kun_dns64.policy.client_share import DISPLACED_AFTER_S
from kun_dns64.transport.errnos import MEANING, Meaning
from kun_dns64.transport.exchange import MAX_PAUSE_S, RESTART_S
from kun_dns64.transport.upstreams import Outcome
from tests.dns64.transport.asker import NAME, PLAIN, a_of, asker, failure_of, nobody, question
from tests.dns64.transport.fake import ADDRESS, fake_upstream, good, reply_to
from tests.ports import free_port


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
