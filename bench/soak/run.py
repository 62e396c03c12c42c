"""The soak run from end to end."""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from json import loads
from pathlib import Path

from bench.authority import authority, free_port
from bench.ctools import LoadReport, compiled, parse_load
from bench.machine import Cores, share_out
from bench.names import FIRST, names
from bench.peers.kun import KUN
from bench.process import BenchError, output_of, pinned, running, stop
from bench.procstat import look
from bench.programs import find_peer
from bench.queries import Mix, framed, mixed
from bench.server import START_DEADLINE_S, check_alive
from bench.soak.client import Client
from bench.soak.policy import configuration, prefix_hex
from bench.soak.siege import Siege
from bench.soak.verdict import Sample, Verdict
from bench.wire import first_answer

CAPACITY_S, TURN_S, WARM_S = 3.0, 0.1, 60.0
RELOAD_EVERY_S, RESTART_EVERY_S, DOWN_S = 20.0, 10.0, 1.0
RELOADED_WITHIN_S = 15.0
HOT_NAMES, FRESH_NAMES, WINDOW, SOCKETS = 1_000, 5_000, 100, 8
COOKIES = tuple(bytes((number, *b"kunsoak")) for number in range(50))


@dataclass(slots=True)
class Soak:
    """What runs, and what has been done to it. `policy`: the number of the one in force."""

    folder: Path
    cores: Cores
    load: str
    port: int
    workers: int
    server: "subprocess.Popen[bytes]"
    upstreams: list["Upstream"]
    policy: int = 0
    reloads: int = 0
    restarts: int = 0
    samples: list[Sample] = field(default_factory=list)

    def write_policy(self, number: int) -> None:
        ports = tuple(upstream.port for upstream in self.upstreams)
        text = configuration(self.port, ports, self.workers, number)
        (self.folder / "kun.toml").write_text(text)


class Upstream:
    """NSD on a port of its own, down and up again."""

    def __init__(self, folder: Path, cores: Cores) -> None:
        self.port, self._folder, self._cores = free_port(), folder, cores
        self._up: ExitStack | None = None

    def start(self) -> None:
        self._up = ExitStack()
        self._up.enter_context(authority(self._folder, self._cores.load, HOT_NAMES + FRESH_NAMES, self.port))

    def stop(self) -> None:
        if self._up is not None:
            self._up.close()
            self._up = None


def soak(seconds: float, workers: int, share: float, out: Path) -> Verdict:
    """`share` of what the server can do. Writes soak.md into `out`. Raises BenchError when it cannot run."""
    cores = share_out(sorted(os.sched_getaffinity(0)))
    os.sched_setaffinity(0, cores.load)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kun-soak-", ignore_cleanup_errors=True)))
        running_soak = stack.enter_context(started(folder, cores, workers))
        mix = Mix(names(HOT_NAMES), names(FRESH_NAMES, HOT_NAMES))
        queries = folder / "queries.bin"
        queries.write_bytes(framed(mixed(mix, COOKIES, seed=1)))
        capacity = measured_capacity(running_soak, queries)
        verdict = under_load(running_soak, queries, capacity, share, seconds)
    out.mkdir(parents=True, exist_ok=True)
    (out / "soak.md").write_text(verdict.text())
    return verdict


@contextmanager
def started(folder: Path, cores: Cores, workers: int) -> Iterator[Soak]:
    """The server and its two upstreams, answering."""
    program = find_peer(KUN, folder)
    if program is None:
        raise BenchError("kun-dns64 is missing: make venv")
    with ExitStack() as stack:
        upstreams = [Upstream(folder / f"upstream{number}", cores) for number in (0, 1)]
        for upstream in upstreams:
            stack.callback(upstream.stop)
            upstream.start()
        load, port, own = str(compiled("load", folder)), free_port(), folder / "server"
        own.mkdir()
        ports = tuple(upstream.port for upstream in upstreams)
        (own / "kun.toml").write_text(configuration(port, ports, workers, 0))
        where = cores.pair if workers > 1 else cores.server
        server = stack.enter_context(running((program, "serve", "--config", "kun.toml"), where, own))
        first_answer(port, FIRST, START_DEADLINE_S, lambda: check_alive([server]))
        yield Soak(own, cores, load, port, workers, server, upstreams)


def load_command(run: Soak, mode: str, number: float, seconds: float, queries: Path, passes: int = 0) -> list[str]:
    figures = [f"{number:.3f}", "127.0.0.1", run.port, SOCKETS, f"{seconds:.3f}", passes, queries]
    return [run.load, mode, *(str(figure) for figure in figures), prefix_hex(0), prefix_hex(1)]


def measured_capacity(run: Soak, queries: Path) -> float:
    """Answers a second with the server's core full, after every name was asked for once."""
    warm = load_command(run, "window", WINDOW, WARM_S, queries, passes=1)
    output_of(warm, run.cores.load, WARM_S + START_DEADLINE_S)
    argv = load_command(run, "window", WINDOW, CAPACITY_S, queries)
    report = parse_load(output_of(argv, run.cores.load, CAPACITY_S + START_DEADLINE_S))
    return report.good / report.seconds


def under_load(run: Soak, queries: Path, capacity: float, share: float, seconds: float) -> Verdict:
    argv = load_command(run, "rate", capacity * share, seconds, queries)
    load = subprocess.Popen(
        pinned(argv, run.cores.load), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    )
    client = Client(run.port, HOT_NAMES + FRESH_NAMES, seed=2)
    try:
        keep_changing(run, load, client)
        told, _ = load.communicate(timeout=START_DEADLINE_S)
    finally:
        client.close()
        stop(load)
    report: LoadReport = parse_load(told.decode())
    return Verdict(capacity, report, client.told(), run.reloads, run.restarts, tuple(run.samples))


def keep_changing(run: Soak, load: "subprocess.Popen[bytes]", client: Client) -> None:
    """Until the load has ended: ask and check, look at the memory, reload, take upstreams down and up in turn."""
    begun = time.monotonic()
    next_reload, next_restart, next_look = begun + RELOAD_EVERY_S, begun + RESTART_EVERY_S, begun
    down: Upstream | None = None
    pause = random.Random(3)
    while load.poll() is None:
        now = time.monotonic()
        check_alive([run.server])
        if now >= next_look:
            next_look = now + 1
            look_at(run, now - begun)
        if now >= next_reload:
            next_reload = now + RELOAD_EVERY_S
            reload(run, client)
        elif now >= next_restart:
            # Down first, up a second later; the other one answers meanwhile.
            next_restart = now + (RESTART_EVERY_S if down else DOWN_S)
            if down is None:
                down = taken_down(run)
            else:
                up_again(run, down)
                down = None
        client.ask((run.policy,))
        time.sleep(TURN_S * pause.random())


def look_at(run: Soak, at_s: float) -> None:
    usage = look([run.server.pid])
    run.samples.append(Sample(at_s, usage.rss_kb, usage.ticks / os.sysconf("SC_CLK_TCK")))


def taken_down(run: Soak) -> Upstream:
    upstream = run.upstreams[run.restarts % len(run.upstreams)]
    upstream.stop()
    return upstream


def up_again(run: Soak, upstream: Upstream) -> None:
    upstream.start()
    run.restarts += 1


def reload(run: Soak, client: Client) -> None:
    """The other VIP. Until the server says so both are right; from then on only the new one."""
    generation, end = status(run)["config"]["generation"], time.monotonic() + RELOADED_WITHIN_S
    run.write_policy(run.policy + 1)
    run.server.send_signal(signal.SIGHUP)
    while status(run)["config"]["generation"] == generation:
        if time.monotonic() > end:
            raise BenchError(f"not reloaded within {RELOADED_WITHIN_S:.0f} s")
        client.ask((run.policy, run.policy + 1))
    run.policy += 1
    run.reloads += 1


def status(run: Soak) -> dict[str, dict[str, int]]:
    with urllib.request.urlopen(f"http://127.0.0.1:{run.port + 1}/status", timeout=RELOADED_WITHIN_S) as page:
        found: dict[str, dict[str, int]] = loads(page.read())
    return found


def tell(verdict: Verdict | Siege) -> int:
    """The exit code."""
    print(verdict.text(), end="")
    if not verdict.good:
        print("bench: the soak run found faults", file=sys.stderr)
    return 0 if verdict.good else 1
