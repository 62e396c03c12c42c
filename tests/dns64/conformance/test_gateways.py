"""Synthesis tied to the gateways: `gateway_status`, `on_gateway_down`; small HTTP servers stand in for the gateways."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import dns.edns
import dns.message
import pytest

from .case import a
from .client import Query, ask
from .configs import filled, plain
from .names import Names
from .run import Stage
from .server import V4, Server

P33 = "2002:c633:6440::c000:221"


class Gateway:
    """Answers /readyz with the status it is told."""

    def __init__(self) -> None:
        self.status = 200
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(gateway.status if self.path == "/readyz" else 404)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._http = ThreadingHTTPServer((V4, 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://{V4}:{self._http.server_port}/readyz"

    def end(self) -> None:
        """From now on nobody listens there."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


Fleet = tuple[Server, Gateway, Gateway]


@pytest.fixture
def fleet(stage: Stage, request: pytest.FixtureRequest) -> Iterator[Fleet]:
    """A server that watches two gateways; the parameter is its `on_gateway_down`."""
    gateways = Gateway(), Gateway()
    watched = {"gateway_status": [gateway.url for gateway in gateways], "gateway_poll_s": 0.2}
    config = filled(plain(dns64=watched | {"on_gateway_down": request.param}), {"ONE": stage.one.address})
    server = stage.servers.private(f"gateways-{request.node.name}", config)
    yield server, *gateways
    trouble = server.new_trouble()
    assert server.stop() == 0
    assert not trouble
    for gateway in gateways:
        gateway.end()


def _known(stage: Stage) -> Names:
    names = Names.fresh()
    stage.one.script(names, {"A": a(".33")})
    return names


def _look(server: Server, names: Names) -> dns.message.Message:
    wire = ask(Query().to_wire(names), "udp", V4, server.port).wire
    assert wire is not None
    return dns.message.from_wire(wire, one_rr_per_rrset=True)


def _ttl(server: Server, names: Names) -> int:
    """Of the synthesised answer; -1 if there is none."""
    reply = _look(server, names)
    return reply.answer[0].ttl if [str(rrset[0]) for rrset in reply.answer] == [P33] else -1


def _until(wanted: Callable[[], bool], seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if wanted():
            return True
        time.sleep(0.05)
    return False


def _wait_for_polls() -> None:
    time.sleep(1.2)


@pytest.mark.parametrize("fleet", ["keep", "clamp-ttl", "stop"], indirect=True)
def test_one_gateway_down_changes_nothing(fleet: Fleet, stage: Stage) -> None:
    server, first, _ = fleet
    first.status = 503
    _wait_for_polls()
    assert _ttl(server, _known(stage)) >= 299


@pytest.mark.parametrize("fleet", ["keep"], indirect=True)
def test_keep_goes_on_with_all_gateways_down(fleet: Fleet, stage: Stage) -> None:
    server, first, second = fleet
    first.status = second.status = 503
    _wait_for_polls()
    assert _ttl(server, _known(stage)) >= 299


@pytest.mark.parametrize("fleet", ["clamp-ttl"], indirect=True)
def test_clamp_ttl_shortens_answers_while_all_gateways_are_down(fleet: Fleet, stage: Stage) -> None:
    server, first, second = fleet
    cached = _known(stage)
    assert _until(lambda: _ttl(server, cached) >= 290)
    first.status = second.status = 503
    assert _until(lambda: 0 < _ttl(server, cached) <= 30)
    assert 0 < _ttl(server, _known(stage)) <= 30
    second.status = 200
    assert _until(lambda: _ttl(server, cached) > 200)


@pytest.mark.parametrize("fleet", ["stop"], indirect=True)
def test_stop_ends_synthesis_and_says_so_while_all_gateways_are_down(fleet: Fleet, stage: Stage) -> None:
    server, first, second = fleet
    cached = _known(stage)
    assert _until(lambda: _ttl(server, cached) >= 290)
    first.status = second.status = 503
    assert _until(lambda: _ttl(server, cached) == -1)
    reply = _look(server, _known(stage))
    assert reply.answer == []
    assert [option for option in reply.options if isinstance(option, dns.edns.EDEOption)]
    first.status = 200
    assert _until(lambda: _ttl(server, cached) > 200)


@pytest.mark.parametrize("fleet", ["stop"], indirect=True)
def test_gateways_that_do_not_answer_are_down(fleet: Fleet, stage: Stage) -> None:
    server, first, second = fleet
    assert _until(lambda: _ttl(server, _known(stage)) >= 290)
    first.status = second.status = 500
    assert _until(lambda: _ttl(server, _known(stage)) == -1)
    a_name = _known(stage)
    first.status = 200
    assert _until(lambda: _ttl(server, a_name) >= 290)
