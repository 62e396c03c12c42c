"""DNS over TLS: the same answers, padded if and only if the client asks for it (RFC 7858, RFC 7830, RFC 8467)."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import dns.message
import pytest

from tests.ports import free_port

from .case import a, synth
from .client import Heard, Query, TcpConnection
from .configs import filled, plain
from .judge import judge
from .names import Names
from .run import Stage
from .server import V4

PADDING = 12
Dot = tuple[int, Path]


@pytest.fixture(scope="module")
def dot(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dot]:
    """Port and certificate of a server that also listens with TLS."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl (Debian package openssl)")
    directory = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=dns.test",
         "-addext", "subjectAltName=DNS:dns.test,IP:127.0.0.1", "-keyout", "tls.key", "-out", "tls.crt"],
        cwd=directory, check=True, capture_output=True,
    )  # fmt: skip
    port = free_port(V4)
    config = filled(plain(), {"ONE": stage.one.address}) | {
        "server.tls": {
            "listen": [f"{V4}:{port}"],
            "certificate": str(directory / "tls.crt"),
            "key": str(directory / "tls.key"),
        }
    }
    server = stage.servers.private("tls", config)
    yield port, directory / "tls.crt"
    assert server.new_trouble() == ""
    assert server.stop() == 0


def _over_tls(dot: Dot, *wires: bytes) -> list[bytes]:
    context = ssl.create_default_context(cafile=str(dot[1]))
    with (
        socket.create_connection((V4, dot[0]), timeout=5) as clear,
        context.wrap_socket(clear, server_hostname="dns.test") as wrapped,
        TcpConnection(wrapped) as tls,
    ):
        for wire in wires:
            tls.send(wire)
        replies = [tls.receive() for _ in wires]
    assert all(replies)
    return [reply for reply in replies if reply]


def _known(stage: Stage) -> Names:
    names = Names.fresh()
    stage.one.script(names, {"A": a(".33")})
    return names


def test_c245_rfc7858_3_the_answers_are_the_same(dot: Dot, stage: Stage) -> None:
    names = _known(stage)
    sent = Query().to_wire(names)
    (reply,) = _over_tls(dot, sent)
    assert judge(Query(), sent, Heard(reply, 0.0), synth(".33"), names, "tcp") == []


def test_c245a_rfc7858_3_3_queries_may_be_pipelined(dot: Dot, stage: Stage) -> None:
    wires = [Query().to_wire(_known(stage)) for _ in range(20)]
    assert {reply[:2] for reply in _over_tls(dot, *wires)} == {wire[:2] for wire in wires}


def test_c245b_rfc8467_4_1_a_padded_query_gets_a_reply_of_a_multiple_of_468_bytes(dot: Dot, stage: Stage) -> None:
    padded = Query(options=((PADDING, bytes(40)),)).to_wire(_known(stage))
    for _ in range(2):
        (reply,) = _over_tls(dot, padded)
        assert len(reply) % 468 == 0
        assert PADDING in [option.otype for option in dns.message.from_wire(reply).options]


def test_c208b_rfc7830_4_an_unpadded_query_gets_an_unpadded_reply(dot: Dot, stage: Stage) -> None:
    names = _known(stage)
    (reply,) = _over_tls(dot, Query().to_wire(names))
    assert PADDING not in [option.otype for option in dns.message.from_wire(reply).options]


def test_c245c_a_client_that_does_not_speak_tls_harms_nobody(dot: Dot, stage: Stage) -> None:
    for noise in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + bytes(50)):
        with socket.create_connection((V4, dot[0]), timeout=5) as sock:
            sock.sendall(noise)
    assert _over_tls(dot, Query().to_wire(_known(stage)))
