"""What doctor says of the fleet: it asks the members, and reads whether they hear of this gateway."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from kun_nat64.cli.fleet_check import fleet_findings
from kun_nat64.model.inspection import Level
from kun_nat64.model.spec import AgentSpec

Specs = Callable[..., AgentSpec]
OWN = {"url": "http://10.2.1.2:9465", "name": "gw1"}


@contextmanager
def member(status: int, body: Any) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def of_fleet(spec_with: Specs, url: str) -> list[tuple[Level, str]]:
    spec = spec_with(fleet={"members": [url], "listen": "10.2.1.2:9465"})
    return [(one.level, one.words) for one in fleet_findings(spec) if one.check == "fleet"]


def test_gateways_that_hear_each_other_are_good(spec_with: Specs) -> None:
    with member(200, {"name": "gw2", "fleet": {"members": [OWN], "silent": {}}}) as url:
        assert of_fleet(spec_with, url) == [(Level.GOOD, f"{url} answers")]


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (
            200,
            {"name": "gw2", "fleet": {"members": [], "silent": {"http://10.2.1.2:9465": "refused"}}},
            "does not reach",
        ),
        (200, {"name": "gw2", "fleet": {"members": [], "silent": {}}}, "does not name this gateway"),
        (403, b"10.2.1.2 is in no network of [admin] allow", "in no network of [admin] allow"),
        (200, b"<html>", "does not answer"),
    ],
    ids=["cannot reach us", "does not know us", "does not admit us", "is no gateway"],
)
def test_a_gateway_that_does_not_is_bad(spec_with: Specs, status: int, body: Any, words: str) -> None:
    with member(status, body) as url:
        level, said = of_fleet(spec_with, url)[-1]
    assert level is Level.BAD
    assert words in said


def test_a_member_that_is_not_there_is_bad(spec_with: Specs) -> None:
    level, said = of_fleet(spec_with, "http://127.0.0.1:1")[-1]
    assert (level, "does not answer" in said) == (Level.BAD, True)


def test_one_of_another_version_is_unknown(spec_with: Specs) -> None:
    with member(200, {"name": "gw2"}) as url:
        assert of_fleet(spec_with, url)[-1][0] is Level.UNKNOWN


def test_what_check_config_notes_doctor_says_too(spec_with: Specs) -> None:
    found = fleet_findings(spec_with(fleet={"members": ["http://127.0.0.1:1"], "listen": ""}))
    assert any(one.check == "admin" and "cannot ask this one" in one.words for one in found)
