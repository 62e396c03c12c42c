"""Nothing ends a question that does not prove that it saw it: not an error without a question either."""

import dns.flags
import dns.message
import dns.rcode
import pytest

from kun_dns64.model.step import FailureKind
from tests.dns64.transport.asker import a_of, asker, failure_of
from tests.dns64.transport.fake import ADDRESS, FakeUpstream, Script, fake_upstream, good, reply_to

SERVFAIL, REFUSED, FORMERR, NOTIMP = dns.rcode.SERVFAIL, dns.rcode.REFUSED, dns.rcode.FORMERR, dns.rcode.NOTIMP


def asked(fake: FakeUpstream, transport: str = "udp") -> int:
    """How often for the name of the test: whether the upstream lives at all is asked by another."""
    return sum(one.transport == transport and b"\x03www\x01t" in one.wire.lower() for one in fake.seen)


def bare(query: dns.message.Message, rcode: dns.rcode.Rcode, *, truncated: bool = False) -> bytes:
    """An error that repeats no question."""
    reply = dns.message.make_response(query)
    reply.question = []
    reply.use_edns(-1)
    reply.set_rcode(rcode)
    if truncated:
        reply.flags |= dns.flags.TC
    return reply.to_wire()


def other_case(query: dns.message.Message, rcode: dns.rcode.Rcode) -> bytes:
    wire = bytearray(dns.message.make_response(query).to_wire())
    wire[3] |= rcode
    end = wire.index(0, 12)
    wire[12:end] = bytes(wire[12:end]).swapcase()
    return bytes(wire)


def forged(build: object, rcode: dns.rcode.Rcode, **more: bool) -> Script:
    """A forged error by UDP before the true answer, once: a port and an id are not guessed twice in a row."""
    left = [build]

    def script(query: dns.message.Message, transport: str) -> list[bytes]:
        first = [left.pop()(query, rcode, **more)] if transport == "udp" and left else []  # type: ignore[operator]
        return [*first, reply_to(query).to_wire()]

    return script


@pytest.mark.parametrize("tcp", [True, False], ids=["tcp", "no-tcp"])
@pytest.mark.parametrize("rcode", [SERVFAIL, REFUSED, FORMERR, NOTIMP])
@pytest.mark.parametrize("truncated", [False, True], ids=["whole", "truncated"])
async def test_an_error_without_a_question_costs_no_answer(rcode: dns.rcode.Rcode, truncated: bool, tcp: bool) -> None:
    async with fake_upstream(forged(bare, rcode, truncated=truncated), tcp=tcp) as fake, asker(fake) as asks:
        assert a_of(await asks.ask()) == ADDRESS


@pytest.mark.parametrize("tcp", [True, False], ids=["tcp", "no-tcp"])
@pytest.mark.parametrize("rcode", [SERVFAIL, REFUSED])
async def test_an_error_in_another_case_costs_no_answer(rcode: dns.rcode.Rcode, tcp: bool) -> None:
    async with fake_upstream(forged(other_case, rcode), tcp=tcp) as fake, asker(fake) as asks:
        assert a_of(await asks.ask()) == ADDRESS


@pytest.mark.parametrize("rcode", [SERVFAIL, REFUSED])
async def test_what_tcp_says_after_a_doubtful_error_counts(rcode: dns.rcode.Rcode) -> None:
    def script(query: dns.message.Message, transport: str) -> list[bytes]:
        return [bare(query, rcode)] if transport == "udp" else good(query, transport)

    async with fake_upstream(script) as fake, asker(fake) as asks:
        assert a_of(await asks.ask()) == ADDRESS
        assert (asked(fake), asked(fake, "tcp")) == (1, 1)


async def test_doubtful_errors_alone_are_no_answer() -> None:
    async with fake_upstream(lambda query, _: [bare(query, SERVFAIL)], tcp=False) as fake, asker(fake) as asks:
        assert failure_of(await asks.ask()) is FailureKind.TIMEOUT
        assert asked(fake) == 3


async def test_a_server_without_edns_and_without_tcp_is_asked_plainly() -> None:
    def script(query: dns.message.Message, transport: str) -> list[bytes]:
        return [bare(query, FORMERR)] if query.edns >= 0 else good(query, transport)

    async with fake_upstream(script, tcp=False) as fake, asker(fake) as asks:
        assert a_of(await asks.ask()) == ADDRESS


async def test_a_silent_server_is_asked_three_times() -> None:
    """RFC 9520 section 3.1: by one transport, for one question."""
    async with fake_upstream(lambda query, _: []) as fake, asker(fake) as asks:
        assert failure_of(await asks.ask()) is FailureKind.TIMEOUT
        assert (asked(fake), asked(fake, "tcp")) == (3, 0)
