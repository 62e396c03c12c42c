"""`fleet --watch` on a terminal of 80 columns and 24 lines: nothing is wider, nothing scrolls away."""

import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic

import pytest

from kun_base.journal import Journal
from kun_nat64.model.spec import AgentSpec
from kun_nat64.state.agent_state import State
from kun_nat64.views.status import snapshot
from tests.nat64.conftest import SHIPPED

COLUMNS, LINES = 80, 24
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
CLEAR = "\x1b[2J"


@pytest.fixture
def members(spec: AgentSpec) -> Iterator[list[str]]:
    """Six gateways with a reason that is long."""
    status = snapshot(
        State(spec, Journal("t", level="error"), clock=monotonic, wall=time.time), now=monotonic(), wall=0
    )
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


def on_a_terminal(argv: list[str], seconds: float) -> str:
    """What the command writes to a terminal of 80 by 24 until it is ended."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs, env={**environment, "TERM": "xterm"})
    os.close(theirs)
    written, end = b"", monotonic() + seconds
    while monotonic() < end and process.poll() is None and written.count(CLEAR.encode()) < 2:
        if select.select([ours], [], [], 0.2)[0]:
            written += os.read(ours, 65536)
    process.kill()
    process.wait()
    os.close(ours)
    return written.decode(errors="replace")


@pytest.mark.parametrize("silent", [1, 40])
def test_the_watched_fleet_fits(members: list[str], tmp_path: Path, silent: int) -> None:
    config = tmp_path / "gw.toml"
    text = SHIPPED.read_text()
    listed = json.dumps([*members, *(f"http://127.0.0.1:{port}" for port in range(1, 1 + silent))])
    config.write_text(re.sub(r"(?m)^members = \[.*\]$", f"members = {listed}", text))
    command = Path(sys.executable).with_name("kun-nat64")
    argv = [str(command), "fleet", "--watch", "--config", str(config), "--run-dir", str(tmp_path)]
    frame = ESCAPE.sub("", on_a_terminal(argv, 40).split(CLEAR)[1]).replace("\r", "")
    lines = frame.rstrip("\n").split("\n")
    assert max(map(len, lines)) <= COLUMNS, frame
    assert len(lines) < LINES, frame
    assert "GATEWAY" in frame
    assert "SILENT" in frame
    assert "announced" in " ".join(lines[-2:])
    assert ("more do not fit" in frame) == (silent == 40)
