"""How often a slow upstream is asked: once for each answer, by the compiled way and by the plain one."""

import asyncio
import os
import socket
from pathlib import Path

import pytest

from bench.delayed_upstream import counted, delayed_upstream
from bench.queries import query
from kun_dns64.fastpath.selection import COMPILED
from tests.dns64.app.running import running

NAMES, AT_ONCE, PATIENT_S = 1200, 300, 5.0
CORES = sorted(os.sched_getaffinity(0))
# The address that the upstream gives is in a network that is not embedded by default.
EMBED = {"[dns64]": 'never_embed = ["10.0.0.0/8"]'}
WAYS = [
    pytest.param({}, id="compiled", marks=pytest.mark.skipif(not COMPILED, reason="not compiled (make venv)")),
    pytest.param({"KUN_PURE_PYTHON": "1"}, id="plain"),
]


def ask_all(port: int) -> int:
    """Every name once, AT_ONCE of them at a time; how many had an address."""
    sent = heard = good = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.connect(("127.0.0.1", port))
        sock.settimeout(PATIENT_S)
        while heard < NAMES:
            while sent < NAMES and sent - heard < AT_ONCE:
                sock.send(sent.to_bytes(2) + query(f"n{sent}.t.example.")[2:])
                sent += 1
            reply = sock.recv(4096)
            heard += 1
            good += reply[3] & 15 == 0 and reply[7] > 0
    return good


@pytest.mark.parametrize("environment", WAYS)
@pytest.mark.parametrize("delay_ms", [1, 50, 250, 300])
async def test_an_upstream_is_asked_once_for_each_answer(
    tmp_path: Path, environment: dict[str, str], delay_ms: int
) -> None:
    with delayed_upstream(tmp_path, CORES, delay_ms, 0.0) as port:
        async with running(tmp_path, port, environment=environment, more=EMBED) as one:
            assert await asyncio.to_thread(ask_all, one.port) == NAMES
        packets, questions = counted(port)
        # The AAAA and the A of each; beside them the root's NS, of a check.
        assert questions >= 2 * NAMES
        assert packets / questions <= 1.02


@pytest.mark.parametrize("environment", WAYS)
async def test_what_is_lost_is_sent_again_within_the_budget(tmp_path: Path, environment: dict[str, str]) -> None:
    with delayed_upstream(tmp_path, CORES, 300, 0.05) as port:
        async with running(tmp_path, port, environment=environment, more=EMBED) as one:
            # One in 8,000 is lost thrice.
            assert await asyncio.to_thread(ask_all, one.port) >= NAMES * 0.99
        packets, questions = counted(port)
        assert 1.02 < packets / questions < 1.15
