"""Upstreams by TLS and HTTPS: the name in the certificate is what counts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import dns.message
import pytest
from aiohttp import web

from kun_dns64.config.endpoint import UpstreamAddress
from kun_dns64.config.settings import Asking
from kun_dns64.model.step import FailureKind
from tests.dns64.transport.asker import ASKING, a_of, asker, failure_of, question
from tests.dns64.transport.conftest import Certificate
from tests.dns64.transport.fake import ADDRESS, reply_to

MEDIA_TYPE = "application/dns-message"


@asynccontextmanager
async def tls_upstream(certificate: Certificate, *, questions: int = 1000) -> AsyncIterator[int]:
    """`questions`: answered on one connection, which is closed then."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for _ in range(questions):
                size = int.from_bytes(await reader.readexactly(2))
                wire = reply_to(dns.message.from_wire(await reader.readexactly(size))).to_wire()
                writer.write(len(wire).to_bytes(2) + wire)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=certificate.context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.sleep(0.05)


@asynccontextmanager
async def https_upstream(
    certificate: Certificate, *, broken: bool = False, kept: str = "answers"
) -> AsyncIterator[int]:
    """`kept`: what becomes of the second question on each connection: "answers", "closes", "mute"."""
    connections, over = set[object](), asyncio.Event()

    async def serve(request: web.Request) -> web.Response:
        known = request.transport in connections
        connections.add(request.transport)
        if known and kept == "closes" and request.transport is not None:
            request.transport.close()
        if known and kept == "mute":
            await over.wait()
        if broken:
            return web.Response(status=502, text="no")
        assert request.headers["Host"] == f"dns.example:{runner.addresses[0][1]}"
        assert request.content_type == MEDIA_TYPE
        query = dns.message.from_wire(await request.read())
        assert query.id == 0
        return web.Response(body=reply_to(query).to_wire(), content_type=MEDIA_TYPE)

    app = web.Application()
    app.router.add_post("/dns-query", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=certificate.context).start()
    try:
        yield runner.addresses[0][1]
    finally:
        over.set()
        await runner.cleanup()


def trusting(certificate: Certificate) -> Asking:
    return replace(ASKING, ca_file=certificate.file)


def url(scheme: str, port: int, name: str) -> UpstreamAddress:
    path = "/dns-query" if scheme == "https" else ""
    return UpstreamAddress.parse(f"{scheme}://127.0.0.1:{port}{path}@{name}")


async def test_tls_upstream_answers_over_one_connection(certificate: Certificate) -> None:
    async with (
        tls_upstream(certificate) as port,
        asker(url("tls", port, "dns.example"), asking=trusting(certificate)) as asks,
    ):
        outcomes = await asyncio.gather(*(asks.ask(question(f"n{n}.t.example.")) for n in range(10)))
        assert {a_of(outcome) for outcome in outcomes} == {ADDRESS}


async def test_tls_upstream_that_answers_one_question_on_each_connection_answers_all(certificate: Certificate) -> None:
    async with (
        tls_upstream(certificate, questions=1) as port,
        asker(url("tls", port, "dns.example"), asking=trusting(certificate)) as asks,
    ):
        outcomes = await asyncio.gather(*(asks.ask(question(f"n{n}.t.example.")) for n in range(20)))
        assert {a_of(outcome) for outcome in outcomes} == {ADDRESS}


async def test_https_upstream_answers(certificate: Certificate) -> None:
    async with (
        https_upstream(certificate) as port,
        asker(url("https", port, "dns.example"), asking=trusting(certificate)) as asks,
    ):
        outcomes = await asyncio.gather(*(asks.ask(question(f"n{n}.t.example.")) for n in range(10)))
        assert {a_of(outcome) for outcome in outcomes} == {ADDRESS}


@pytest.mark.parametrize("scheme", ["tls", "https"])
async def test_a_certificate_for_another_name_is_refused(certificate: Certificate, scheme: str) -> None:
    upstream = tls_upstream if scheme == "tls" else https_upstream
    async with (
        upstream(certificate) as port,
        asker(url(scheme, port, "other.example"), asking=trusting(certificate)) as asks,
    ):
        outcome = await asks.ask()
        assert failure_of(outcome) is FailureKind.UNREACHABLE
        assert "certificate" in str(outcome.result.outcome)


@pytest.mark.parametrize("scheme", ["tls", "https"])
async def test_a_certificate_of_an_unknown_authority_is_refused(certificate: Certificate, scheme: str) -> None:
    upstream = tls_upstream if scheme == "tls" else https_upstream
    async with upstream(certificate) as port, asker(url(scheme, port, "dns.example")) as asks:
        assert failure_of(await asks.ask()) is FailureKind.UNREACHABLE


async def test_an_http_error_is_no_answer(certificate: Certificate) -> None:
    async with (
        https_upstream(certificate, broken=True) as port,
        asker(url("https", port, "dns.example"), asking=trusting(certificate)) as asks,
    ):
        assert failure_of(await asks.ask()) is FailureKind.GARBAGE


@pytest.mark.parametrize("kept", ["closes", "mute"])
async def test_a_kept_connection_that_died_is_replaced_without_a_word(certificate: Certificate, kept: str) -> None:
    async with (
        https_upstream(certificate, kept=kept) as port,
        asker(url("https", port, "dns.example"), asking=trusting(certificate)) as asks,
    ):
        for number in range(4):
            assert a_of(await asks.ask(question(f"n{number}.t.example."))) == ADDRESS
