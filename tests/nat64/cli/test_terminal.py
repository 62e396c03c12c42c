"""`fleet --watch`, `status --watch` and `test` on a terminal of 80 columns and 24 lines.

No line is longer than the terminal is wide, nothing scrolls away, q and Ctrl-C end it, and the terminal is as before.
"""

import asyncio
import json
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic

import pytest

from kun_base.journal import Journal
from kun_nat64.model.publiccounts import TrafficRate
from kun_nat64.model.spec import AgentSpec
from kun_nat64.model.warnings import WarningName
from kun_nat64.state.agent_state import State
from kun_nat64.views.status import snapshot
from tests.nat64.admin.three_gateways import Gateways, gateways
from tests.nat64.conftest import SHIPPED
from tests.terminal import COLUMNS, LINES, Screen, Seen, on_a_terminal

__all__ = ["gateways"]
COMMAND = str(Path(sys.executable).with_name("kun-nat64"))


@pytest.fixture
def members(spec: AgentSpec) -> Iterator[list[str]]:
    """Six gateways with a reason that is long and much traffic."""
    state = State(spec, Journal("t", level="error"), clock=monotonic, wall=time.time)
    state.carried.rate = TrafficRate(9.87e12, 1.23e12, 1.234e6, 9.87e5)
    status = snapshot(state, now=monotonic(), wall=0)
    status["name"] = "gateway-with-a-name-that-is-much-too-long.example.net"
    body = json.dumps(status).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    servers = [ThreadingHTTPServer(("127.0.0.1", 0), Handler) for _ in range(6)]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield [f"http://127.0.0.1:{server.server_address[1]}" for server in servers]
    for server in servers:
        server.shutdown()
        server.server_close()


def drawn_twice(words: str) -> Callable[[Screen], bool]:
    return lambda screen: sum(words in frame for frame in screen.frames) >= 1 and words in screen.text()


def is_clean(seen: Seen) -> None:
    screen = seen.screen
    assert screen.wraps == []
    assert all(len(line) <= COLUMNS for frame in screen.frames for line in frame.splitlines())
    assert seen.restored
    assert not screen.alternate
    assert screen.cursor
    assert "Traceback" not in seen.written


@pytest.mark.parametrize("silent", [1, 40])
def test_the_watched_fleet_fits(members: list[str], tmp_path: Path, silent: int) -> None:
    config = tmp_path / "gw.toml"
    listed = json.dumps([*members, *(f"http://127.0.0.1:{port}" for port in range(1, 1 + silent))])
    config.write_text(re.sub(r"(?m)^members = \[.*\]$", f"members = {listed}", SHIPPED.read_text()))
    argv = [COMMAND, "fleet", "--watch", "--config", str(config), "--run-dir", str(tmp_path)]
    seen = on_a_terminal(argv, until=drawn_twice("GATEWAY"))
    is_clean(seen)
    assert seen.code == 0
    frame = next(one for one in seen.screen.frames if "GATEWAY" in one)
    assert len(frame.splitlines()) < LINES
    assert "MBIT/S IN/OUT" in frame
    assert ("9.87M/1.23M" in frame) == (silent == 1)
    assert "SILENT" in frame
    assert "announced" in " ".join(frame.splitlines()[-2:])
    assert ("more do not fit" in " ".join(frame.split())) == (silent == 40)


async def test_the_watched_status_fits_and_ends_and_test_is_cut_into_lines(gateways: Gateways, tmp_path: Path) -> None:
    gateways.agents["gw1"].state.warnings.warn(WarningName.CONFIG, "a warning of many words " * 30)
    run_dir = ["--run-dir", str(tmp_path / "gw1")]
    for ending in (b"q", b"\x03", signal.SIGTERM):
        argv = [COMMAND, "status", "--watch", *run_dir]
        seen = await asyncio.to_thread(on_a_terminal, argv, until=drawn_twice("announced (full"), then=ending)
        is_clean(seen)
        assert seen.code == 0
        assert "announced (full" in seen.screen.text(), "the last frame stays"
    seen = await asyncio.to_thread(on_a_terminal, [COMMAND, "test", *run_dir])
    is_clean(seen)
    assert "pod to node" in seen.written
    assert max(map(len, seen.written.splitlines())) <= COLUMNS


def test_an_agent_that_is_not_there_leaves_the_terminal_as_it_was(tmp_path: Path) -> None:
    seen = on_a_terminal([COMMAND, "status", "--watch", "--run-dir", str(tmp_path)])
    assert seen.restored
    assert not seen.screen.alternate
    assert seen.code == 1
    assert "no agent runs" in seen.written
