"""Connections to upstreams that go wrong: mute ones, and those that close with questions open (RFC 7766, 6.2)."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import cast

import dns.flags
import dns.message
import pytest

from kun_dns64.config.endpoint import Endpoint, Scheme, UpstreamAddress
from kun_dns64.model.step import FailureKind, UpstreamFailure
from kun_dns64.transport import stream_connection, upstream_stream
from kun_dns64.transport.attempt import MAX_SENDS, Observed, Request, Result
from kun_dns64.transport.stream_connection import MOST_OUT, UNACKNOWLEDGED_MS, UpstreamConnection
from kun_dns64.transport.tls import upstream_context
from kun_dns64.transport.upstream_https import HttpsUpstream
from kun_dns64.transport.upstream_stream import MAX_CONNECTIONS, MUTE_S, StreamUpstream
from tests.dns64.transport.asker import ASKING, NAME, PLAIN, a_of, asker, failure_of, question
from tests.dns64.transport.conftest import Certificate
from tests.dns64.transport.fake import ADDRESS, FakeUpstream, fake_upstream, good, reply_to
from tests.ports import free_port

NAMES = [f"n{number}.t.example." for number in range(20)]
PATIENT_S = 8.0


def go_mute(fake: FakeUpstream) -> None:
    """The connection of the last question hears no answer any more; others do."""
    mute = fake.seen[-1].port
    before = fake.script
    fake.script = lambda query, transport: [] if fake.seen[-1].port == mute else before(query, transport)


def truncated_by_udp(query: dns.message.Message, transport: str) -> list[bytes]:
    reply = reply_to(query)
    if transport == "udp":
        reply.flags |= dns.flags.TC
    return [reply.to_wire()]


@dataclass
class Held:
    """A question that an upstream has taken and not answered."""

    query: dns.message.Message
    writer: asyncio.StreamWriter

    @property
    def name(self) -> str:
        return self.query.question[0].name.to_text()

    def answer(self) -> None:
        wire = reply_to(self.query).to_wire()
        self.writer.write(len(wire).to_bytes(2) + wire)


@asynccontextmanager
async def holding() -> AsyncIterator[tuple[UpstreamAddress, asyncio.Queue[Held]]]:
    """An upstream by TCP that answers when told to."""
    held: asyncio.Queue[Held] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(2))
                held.put_nowait(Held(dns.message.from_wire(await reader.readexactly(size)), writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        async with asyncio.timeout(PATIENT_S):
            yield UpstreamAddress.parse(f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"), held
    finally:
        server.close()
        await asyncio.sleep(0.02)


async def test_a_mute_connection_is_replaced_and_its_questions_are_answered() -> None:
    async with fake_upstream() as fake, asker(fake.address(Scheme.TCP)) as asks:
        await asks.ask()
        go_mute(fake)
        outcomes = await asyncio.gather(*(asks.ask(question(name)) for name in NAMES))
        assert {a_of(outcome) for outcome in outcomes} == {ADDRESS}
        asked = fake.asked("tcp")
        assert a_of(await asks.ask(question("next.t.example."))) == ADDRESS
        assert (fake.connections, fake.asked("tcp")) == (2, asked + 1)
        assert not asks.upstreams.observed.out


async def test_a_mute_connection_is_replaced_for_truncated_answers_too() -> None:
    async with fake_upstream(truncated_by_udp) as fake, asker(fake) as asks:
        await asks.ask()
        go_mute(fake)
        assert a_of(await asks.ask(question("next.t.example."))) == ADDRESS
        assert fake.connections == 2


async def test_a_connection_that_became_mute_gets_no_further_question() -> None:
    """Its question was given up, as when another upstream has answered it."""
    async with fake_upstream() as fake:
        upstream = StreamUpstream(fake.address(Scheme.TCP), Observed())
        heard: asyncio.Queue[Result] = asyncio.Queue()
        async with asyncio.timeout(PATIENT_S):
            upstream.send(Request(question(), PLAIN), heard.put_nowait)
            await heard.get()
            go_mute(fake)
            upstream.send(Request(question("given-up.t.example."), PLAIN), heard.put_nowait).cancel()
            await asyncio.sleep(MUTE_S + 0.1)
            upstream.send(Request(question("next.t.example."), PLAIN), heard.put_nowait)
            await heard.get()
        assert (fake.connections, fake.asked("tcp")) == (2, 3)
        await upstream.close()


async def test_an_upstream_that_is_only_slow_may_answer_on_the_old_connection() -> None:
    async with holding() as (address, held), asker(address) as asks:
        asking = asyncio.ensure_future(asks.ask())
        first, again = await held.get(), await held.get()
        assert first.name == again.name
        assert first.writer is not again.writer
        first.answer()
        assert a_of(await asking) == ADDRESS
        await first.writer.wait_closed()
        assert not again.writer.is_closing()


async def test_answers_to_others_show_that_a_connection_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream_stream, "MUTE_S", 1.0)
    async with holding() as (address, held), asker(address) as asks:
        slow = asyncio.ensure_future(asks.ask(question("slow.t.example.")))
        slow_question = await held.get()
        for number in range(15):  # which takes longer than that
            quick = asyncio.ensure_future(asks.ask(question(f"quick{number}.t.example.")))
            (await held.get()).answer()
            await quick
            await asyncio.sleep(0.1)
        slow_question.answer()
        assert a_of(await slow) == ADDRESS
        assert asks.upstreams.observed.stream_retries == 0


async def test_an_upstream_that_says_nothing_gets_few_connections() -> None:
    async with fake_upstream(lambda query, transport: []) as fake, asker(fake.address(Scheme.TCP)) as asks:
        outcomes = await asyncio.gather(*(asks.ask(question(name)) for name in NAMES))
        assert {failure_of(outcome) for outcome in outcomes} == {FailureKind.TIMEOUT}
        assert 2 <= fake.connections <= 5


async def test_a_connection_that_is_not_read_from_gets_no_more_than_a_buffer_full(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upstream_stream, "MUTE_S", 60.0)
    monkeypatch.setattr(stream_connection, "MOST_UNSENT", 20_000)
    deaf: list[asyncio.StreamWriter] = []

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        cast(asyncio.ReadTransport, writer.transport).pause_reading()
        deaf.append(writer)

    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    server = await asyncio.start_server(hold, sock=listener)
    upstream = StreamUpstream(UpstreamAddress.parse(f"tcp://127.0.0.1:{listener.getsockname()[1]}"), Observed())
    sent = 0
    async with asyncio.timeout(PATIENT_S):
        while len(deaf) < 2:
            upstream.send(Request(question("x" * 60 + f".{sent}." + NAME), PLAIN), lambda result: None)
            sent += 1
            await asyncio.sleep(0)
    assert sent < MOST_OUT
    await upstream.close()
    for writer in deaf:
        writer.transport.abort()
    server.close()
    await asyncio.sleep(0.02)


# More questions than 90 have room: what is out is shared by zones and clients (transport/room.py).
ROOMY = replace(ASKING, max_outstanding=1000)


@pytest.mark.parametrize("count", [20, 90])
async def test_an_upstream_that_answers_one_question_on_each_connection_answers_all(count: int) -> None:
    async with fake_upstream(truncated_by_udp) as fake, asker(fake, asking=ROOMY) as asks:
        fake.close_after = 1
        names = [f"n{number}.t.example." for number in range(count)]
        outcomes = await asyncio.gather(*(asks.ask(question(name)) for name in names))
        assert {a_of(outcome) for outcome in outcomes} == {ADDRESS}
        # What was out on the first connection is asked again, each on its own.
        assert count <= fake.connections <= count + 1
        assert fake.most_connections <= MAX_CONNECTIONS


async def test_an_upstream_that_closes_after_some_answers_answers_all() -> None:
    async with fake_upstream() as fake, asker(fake.address(Scheme.TCP)) as asks:
        fake.close_after = 7
        outcomes = await asyncio.gather(*(asks.ask(question(name)) for name in NAMES))
        assert {a_of(outcome) for outcome in outcomes} == {ADDRESS}
        assert fake.connections <= 4


async def test_one_question_that_makes_the_upstream_close_costs_no_other() -> None:
    def choking(query: dns.message.Message, transport: str) -> list[bytes]:
        if query.question[0].name.to_text() == NAMES[3]:
            raise ConnectionResetError
        return good(query, transport)

    async with fake_upstream(choking) as fake, asker(fake.address(Scheme.TCP)) as asks:
        asking = [asks.ask(question(name)) for name in NAMES]
        asking[0], asking[3] = asking[3], asking[0]
        outcomes = await asyncio.gather(*asking)
        assert failure_of(outcomes[0]) is FailureKind.CLOSED
        assert {a_of(outcome) for outcome in outcomes[1:]} == {ADDRESS}


@pytest.mark.parametrize("company", [0, 200], ids=["alone", "among many"])
async def test_a_question_is_put_three_times_at_most(company: int) -> None:
    """RFC 9520 section 3.1: over all connections that are lost, and all tries of the exchange."""

    def closing(query: dns.message.Message, transport: str) -> list[bytes]:
        if query.question[0].name.to_text() == NAME:
            raise ConnectionResetError
        return good(query, transport)

    async with fake_upstream(closing) as fake, asker(fake.address(Scheme.TCP), asking=ROOMY) as asks:
        # Each connection is lost with others out on it, so that none shows which question was to blame.
        fake.close_after = 2
        others = [question(f"o{number}.t.example.") for number in range(company)]
        outcome, *_ = await asyncio.gather(asks.ask(), *(asks.ask(one) for one in others))
        assert failure_of(outcome) in (FailureKind.CLOSED, FailureKind.TIMEOUT)
        sent = sum(dns.message.from_wire(one.wire).question[0].name.to_text() == NAME for one in fake.seen)
        assert 1 <= sent <= MAX_SENDS


async def test_refusals_do_not_count_as_sent(certificate: Certificate) -> None:
    """A question that was refused until its upstream was back is answered then: it was never sent."""
    port = free_port()
    for scheme in (Scheme.TCP, Scheme.HTTPS):
        address = UpstreamAddress(scheme, Endpoint.parse(f"127.0.0.1:{port}"), "dns.example", "/dns-query")
        request = Request(question(), PLAIN)
        upstream = (
            StreamUpstream(address, Observed())
            if scheme is Scheme.TCP
            else HttpsUpstream(address, Observed(), upstream_context(certificate.file))
        )
        for _ in range(2 * MAX_SENDS):
            heard: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
            upstream.send(request, heard.set_result)
            async with asyncio.timeout(PATIENT_S):
                assert cast(UpstreamFailure, (await heard).outcome).kind is FailureKind.UNREACHABLE
        assert request.may_send(address)
        await upstream.close()


async def test_after_a_while_questions_share_a_connection_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream_stream, "LIMITED_S", 0.2)
    async with fake_upstream() as fake, asker(fake.address(Scheme.TCP)) as asks:
        fake.close_after = 1
        await asyncio.gather(*(asks.ask(question(name)) for name in NAMES))
        fake.close_after = 0
        await asyncio.sleep(0.3)
        before = fake.connections
        await asyncio.gather(*(asks.ask(question("again-" + name)) for name in NAMES))
        assert fake.connections <= before + 1


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="needs TCP_USER_TIMEOUT (Linux)")
async def test_what_nobody_acknowledges_ends_the_connection() -> None:
    async with holding() as (address, _):
        upstream = StreamUpstream(address, Observed())
        host, port = address.endpoint.host, address.endpoint.port
        transport, _ = await asyncio.get_running_loop().create_connection(
            lambda: UpstreamConnection(upstream), host, port
        )
        sock = transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == UNACKNOWLEDGED_MS
        transport.abort()


async def test_a_new_connection_closed_without_an_answer_is_tried_once_more() -> None:
    async def script(held: asyncio.Queue[Held]) -> None:
        (await held.get()).writer.close()
        (await held.get()).answer()

    async with holding() as (address, held), asker(address) as asks:
        outcome, _ = await asyncio.gather(asks.ask(), script(held))
        assert a_of(outcome) == ADDRESS
