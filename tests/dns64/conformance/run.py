"""Runs one row over one transport and says what was wrong."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from . import client
from .case import Case, Step
from .client import Heard, Query
from .judge import judge, judge_upstream
from .metronome import Metronome
from .names import Names
from .server import V4, V6, Server, ServerPool
from .upstream import ScriptedUpstream


@dataclass(frozen=True, slots=True)
class Stage:
    """All that a row needs around it."""

    servers: ServerPool
    one: ScriptedUpstream
    two: ScriptedUpstream
    metronome: Metronome


ATTEMPTS = 4


def run_row(case: Case, transport: str, stage: Stage) -> list[str]:
    """Play the row, again if it failed while the machine was too busy to keep time; the complaints of the last try."""
    problems: list[str] = []
    for _ in range(ATTEMPTS):
        start = time.monotonic()
        problems = run_case(case, transport, stage)
        if not problems or not stage.metronome.stalled_since(start):
            break
    return problems


def run_case(case: Case, transport: str, stage: Stage) -> list[str]:
    """Play the row; the list of complaints is empty if the server did right."""
    server = stage.servers.get(case.config, "-slow" if case.slow else "")
    names = Names.fresh()
    stage.one.script(names, case.upstream)
    stage.two.script(names, case.two)
    problems = []
    for number, step in enumerate((Step(case.expect, case.query), *case.then), start=1):
        stage.one.script(names, step.upstream)
        if step.after_s:
            time.sleep(step.after_s)
        found = _run_step(step, transport, server, names, stage.one)
        problems += [f"step {number}: {problem}" for problem in found]
    if problems:
        problems.append(_story(stage, names))
    if trouble := server.new_trouble():
        problems.append(f"the log speaks of an exception:\n{trouble}")
    return problems


def _run_step(step: Step, transport: str, server: Server, names: Names, upstream: ScriptedUpstream) -> list[str]:
    sent = step.query.to_wire(names)
    host = V6 if transport.endswith("6") and not step.query.source else V4
    ask = _ask_in_silence if step.expect.silence else _ask
    heard = ask(sent, transport[:3], host, server.port, step.query.source)
    return judge(step.query, sent, heard, step.expect, names, transport) + judge_upstream(upstream, step.expect, names)


def _ask(sent: bytes, transport: str, host: str, port: int, source: str) -> Heard:
    return client.ask(sent, transport, host, port, source)


def _ask_in_silence(sent: bytes, transport: str, host: str, port: int, source: str) -> Heard:
    """No reply may come: a good query follows on the same socket, and its reply must be the first thing heard.

    By TCP the server may also close the connection; it must then still serve a new one.
    """
    good = Query("ipv4only.arpa.", "A").to_wire(Names.fresh())
    with client.opened(transport, host, port, source) as connection:
        connection.send(sent)
        connection.send(good)
        first = connection.receive()
    if first is None:
        first = client.ask(good, transport, host, port, source).wire
        assert first is not None, "the server answers nothing any more"
    return Heard(None if first[:2] == good[:2] else first, 0.0)


def _story(stage: Stage, names: Names) -> str:
    lines = [f"this run's name was {names.own} and its address {names.ipv4}; upstream queries:"]
    for title, upstream in (("one", stage.one), ("two", stage.two)):
        lines += [
            f"  {title} {seen.at_s:.3f} {seen.transport} from {seen.source[1]} {seen.key}"
            for seen in upstream.below(names.own) + upstream.below(names.in_addr)
        ]
    return "\n".join(lines)


SLOW_AT_ONCE = 32


class SlowLane:
    """Rows that wait (silent upstreams, TTLs running out) run side by side, and are reported one by one."""

    def __init__(self, stage: Stage, rows: list[tuple[Case, str]]) -> None:
        self._pool = ThreadPoolExecutor(SLOW_AT_ONCE, thread_name_prefix="slow")
        for config in {case.config for case, _ in rows}:
            stage.servers.get(config, "-slow")
        self._results: dict[tuple[str, str], Future[list[str]]] = {
            (case.id, transport): self._pool.submit(run_row, case, transport, stage) for case, transport in rows
        }

    def result(self, case: Case, transport: str) -> list[str]:
        return self._results[case.id, transport].result(timeout=240)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
