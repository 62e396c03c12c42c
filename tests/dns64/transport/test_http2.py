"""DNS over HTTPS over HTTP/2 (RFC 8484 section 5.2): a small server of the tests', and BIND's and Unbound's own."""

import asyncio
import base64
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import cast

import dns.message
import h2.config
import h2.connection
import h2.events
import pytest

from kun_dns64.model.step import UpstreamFailure
from kun_dns64.transport.attempt import MAX_SENDS, Observed, Request, Result
from kun_dns64.transport.tls import upstream_context
from kun_dns64.transport.upstream_https import HttpsUpstream
from tests.dns64.transport.asker import PLAIN, a_of, asker, question
from tests.dns64.transport.conftest import Certificate
from tests.dns64.transport.fake import ADDRESS, reply_to
from tests.dns64.transport.test_encrypted import trusting, url
from tests.ports import free_port

READY_S = 15.0
SYSTEM_FOLDERS = "/usr/sbin:/sbin:/usr/bin:/bin"
ZONE = "$TTL 300\n@ SOA ns h 1 3600 600 86400 300\n@ NS ns\nns A 192.0.2.53\n" + "".join(
    f"n{number} A {ADDRESS}\n" for number in range(40)
)


class Http2Server(asyncio.Protocol):
    """`mute_after`: so many answers on each connection, then silence; `closes`: it goes away instead.

    `gets`: it takes GET too, as it must.
    """

    connections = 0
    seen: list[dict[bytes, bytes]]

    def __init__(self, seen: list[dict[bytes, bytes]], mute_after: int, closes: bool, gets: bool) -> None:
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding=None))
        self._bodies: dict[int, bytes] = {}
        self._headers: dict[int, dict[bytes, bytes]] = {}
        self._left, self._closes, self._gets, self.seen = mute_after, closes, gets, seen

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's is not a subclass of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        Http2Server.connections += 1
        self._h2.initiate_connection()
        self._transport.write(self._h2.data_to_send())

    def data_received(self, data: bytes) -> None:
        for event in self._h2.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                self._headers[event.stream_id] = dict(event.headers)
                self._bodies[event.stream_id] = b""
            elif isinstance(event, h2.events.DataReceived):
                self._bodies[event.stream_id] += event.data
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                self._answer(event.stream_id)
        self._transport.write(self._h2.data_to_send())

    def _answer(self, stream: int) -> None:
        self.seen.append(self._headers[stream])
        self._left -= 1
        if self._left < 0:
            if self._closes:
                self._transport.abort()
            return
        headers = self._headers[stream]
        if headers[b":method"] == b"GET" and not self._gets:
            self._h2.send_headers(stream, [(b":status", b"405")], end_stream=True)
            return
        _, _, text = headers[b":path"].partition(b"?dns=")
        wire = base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4)) if text else self._bodies[stream]
        body = reply_to(dns.message.from_wire(wire)).to_wire()
        self._h2.send_headers(stream, [(b":status", b"200"), (b"content-type", b"application/dns-message")])
        self._h2.send_data(stream, body, end_stream=True)


@asynccontextmanager
async def http2_upstream(
    certificate: Certificate, *, mute_after: int = 1000, closes: bool = False, gets: bool = True
) -> AsyncIterator[tuple[int, list[dict[bytes, bytes]]]]:
    """The port, and the headers of each request. It offers HTTP/2 and nothing else."""
    certificate.context.set_alpn_protocols(["h2"])
    Http2Server.connections = 0
    seen: list[dict[bytes, bytes]] = []
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Http2Server(seen, mute_after, closes, gets), "127.0.0.1", 0, ssl=certificate.context
    )
    try:
        yield server.sockets[0].getsockname()[1], seen
    finally:
        server.close()
        certificate.context.set_alpn_protocols(["http/1.1"])
        await asyncio.sleep(0.05)


async def test_many_questions_share_one_connection(certificate: Certificate) -> None:
    async with (
        http2_upstream(certificate) as (port, seen),
        asker(url("https", port, "dns.example"), asking=trusting(certificate)) as asks,
    ):
        assert a_of(await asks.ask(question("first.t.example."))) == ADDRESS
        outcomes = await asyncio.gather(*(asks.ask(question(f"n{n}.t.example.")) for n in range(50)))
        assert {a_of(outcome) for outcome in outcomes} == {ADDRESS}
        assert Http2Server.connections < 5, "a busy machine may take one for mute, and open another"
        assert {headers[b":authority"] for headers in seen} == {f"dns.example:{port}".encode()}
        assert {headers[b"accept"] for headers in seen} == {b"application/dns-message"}
        assert {headers[b":path"].partition(b"?")[0] for headers in seen} == {b"/dns-query"}
        assert seen[0][b":method"] == b"POST"
        assert {headers[b":method"] for headers in seen[1:]} == {b"GET"}


async def test_one_that_takes_no_get_is_asked_by_post(certificate: Certificate) -> None:
    async with (
        http2_upstream(certificate, gets=False) as (port, seen),
        asker(url("https", port, "dns.example"), asking=trusting(certificate)) as asks,
    ):
        for number in range(4):
            assert a_of(await asks.ask(question(f"n{number}.t.example."))) == ADDRESS
        methods = [headers[b":method"] for headers in seen]
        assert methods[:2] == [b"POST", b"GET"]
        assert set(methods[2:]) == {b"POST"}


async def test_a_connection_that_is_dead_without_a_word_costs_no_answer(certificate: Certificate) -> None:
    async with (
        http2_upstream(certificate, mute_after=1) as (port, _),
        asker(url("https", port, "dns.example"), asking=trusting(certificate)) as asks,
    ):
        for number in range(3):
            began = time.monotonic()
            assert a_of(await asks.ask(question(f"n{number}.t.example."))) == ADDRESS
            assert time.monotonic() - began < 2.5


async def test_a_connection_that_closes_costs_no_answer(certificate: Certificate) -> None:
    async with (
        http2_upstream(certificate, mute_after=1, closes=True) as (port, _),
        asker(url("https", port, "dns.example"), asking=trusting(certificate)) as asks,
    ):
        for number in range(4):
            assert a_of(await asks.ask(question(f"n{number}.t.example."))) == ADDRESS


async def test_one_that_never_answers_is_sent_a_question_three_times(certificate: Certificate) -> None:
    """RFC 9520 section 3.1."""
    async with http2_upstream(certificate, mute_after=0, closes=True) as (port, seen):
        upstream = HttpsUpstream(url("https", port, "dns.example"), Observed(), upstream_context(certificate.file))
        heard: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        upstream.send(Request(question(), PLAIN), heard.set_result)
        assert isinstance((await heard).outcome, UpstreamFailure)
        await upstream.close()
        assert len(seen) == MAX_SENDS == 3


def program(name: str) -> str:
    found = shutil.which(name, path=SYSTEM_FOLDERS)
    if found is None:
        pytest.skip(f"{name} is not installed (lab/host_setup.py tests)")
    return found


@contextmanager
def running(argv: list[str], port: int, log: Path) -> Iterator[None]:
    with log.open("wb") as out:
        process = subprocess.Popen(argv, stdout=out, stderr=out)
    try:
        end = time.monotonic() + READY_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < end, log.read_text()
                time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate and its key in files, for dns.example."""
    openssl = shutil.which("openssl")
    assert openssl is not None
    crt, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=dns.example",
         "-addext", "subjectAltName=DNS:dns.example", "-keyout", key, "-out", crt],
        check=True, capture_output=True,
    )  # fmt: skip
    tmp_path.chmod(0o755)
    key.chmod(0o644)
    return crt, key


def offers_http2_alone(port: int, crt: Path) -> None:
    """So that the test does not pass by HTTP/1.1."""
    context = ssl.create_default_context(cafile=str(crt))
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(("127.0.0.1", port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname="dns.example") as wrapped,
    ):
        assert wrapped.selected_alpn_protocol() == "h2"


async def answers(port: int, crt: Path) -> None:
    certificate = Certificate(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), crt)
    await asyncio.to_thread(offers_http2_alone, port, crt)
    async with asker(url("https", port, "dns.example"), asking=trusting(certificate)) as asks:
        outcomes = await asyncio.gather(*(asks.ask(question(f"n{n}.t.example.")) for n in range(40)))
        assert {a_of(outcome) for outcome in outcomes} == {ADDRESS}


async def test_bind_answers_over_its_own_http2(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    named, (crt, key), port = program("named"), pair, free_port()
    (tmp_path / "zone").write_text(ZONE)
    (tmp_path / "named.conf").write_text(
        f'tls t {{ cert-file "{crt}"; key-file "{key}"; }};\nhttp h {{ endpoints {{ "/dns-query"; }}; }};\n'
        f'options {{ directory "{tmp_path}"; pid-file none; session-keyfile none; listen-on-v6 {{ none; }};\n'
        f"  listen-on port {port} tls t http h {{ 127.0.0.1; }}; recursion no; }};\ncontrols {{ }};\n"
        f'zone "t.example" {{ type primary; file "{tmp_path}/zone"; }};\n'
    )
    argv = [named, "-g", "-n", "1", "-c", str(tmp_path / "named.conf")]
    with running(argv, port, tmp_path / "log"):
        await answers(port, crt)


async def test_unbound_answers_over_its_own_http2(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    unbound, (crt, key), port = program("unbound"), pair, free_port()
    data = "".join(f'  local-data: "n{number}.t.example. 300 A {ADDRESS}"\n' for number in range(40))
    (tmp_path / "unbound.conf").write_text(
        f'server:\n  interface: 127.0.0.1@{port}\n  https-port: {port}\n  tls-service-key: "{key}"\n'
        f'  tls-service-pem: "{crt}"\n  username: ""\n  chroot: ""\n  directory: "{tmp_path}"\n  pidfile: ""\n'
        f"  use-syslog: no\n  do-daemonize: no\n  num-threads: 1\n  access-control: 127.0.0.0/8 allow\n"
        f'  module-config: "iterator"\n  local-zone: "t.example." static\n{data}'
        "remote-control:\n  control-enable: no\n"
    )
    with running([unbound, "-d", "-c", str(tmp_path / "unbound.conf")], port, tmp_path / "log"):
        await answers(port, crt)
