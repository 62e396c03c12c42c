"""Normal questions beside one attacker for each way in: what the others notice of it."""

import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.authority import free_port
from bench.ctools import LoadReport, compiled, parse_load
from bench.machine import Cores, share_out
from bench.names import FIRST, names
from bench.peers import kun
from bench.process import BenchError, output_of, pinned, running
from bench.procstat import look
from bench.programs import find_peer
from bench.queries import Mix, framed, mixed
from bench.server import START_DEADLINE_S, check_alive
from bench.soak.attackers import RATES
from bench.soak.policy import prefix_hex
from bench.soak.run import COOKIES, FRESH_NAMES, HOT_NAMES, SOCKETS, WARM_S, WINDOW
from bench.soak.siege import Siege
from bench.soak.verdict import Sample
from bench.wire import first_answer

ATTACKERS = tuple(RATES)
CAPACITY_S, CALM_S, SETTLE_S, LOOK_S = 3.0, 20.0, 10.0, 1.0
# Of what the server can do, where that is less than the rate that was asked for: the attackers need the rest.
MOST_SHARE = 0.4
# Small, so that a run of minutes reaches the bound.
MAX_BYTES = 96 << 20


@dataclass(slots=True)
class Bed:
    """What runs. `port` is the server's, the next one its admin port."""

    cores: Cores
    load: str
    port: int
    server: "subprocess.Popen[bytes]"
    queries: Path
    samples: list[Sample] = field(default_factory=list)
    ready: Counter[int] = field(default_factory=Counter)


def soak_attacked(seconds: float, workers: int, rate: float, attackers: Sequence[str], out: Path) -> Siege:
    """Write attacked.md into `out`. Raises BenchError when it cannot run."""
    cores = share_out(sorted(os.sched_getaffinity(0)))
    os.sched_setaffinity(0, cores.load)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kun-soak-", ignore_cleanup_errors=True)))
        run = stack.enter_context(bed(folder, cores, workers))
        capacity = warmed(run)
        per_s = min(rate, MOST_SHARE * capacity)
        calm = parse_load(output_of(load_argv(run, "rate", per_s, CALM_S), cores.load, CALM_S + START_DEADLINE_S))
        stack.enter_context(attacked(run, attackers, folder))
        time.sleep(SETTLE_S)
        report = under_attack(run, per_s, seconds)
        siege = Siege(capacity, per_s, tuple(attackers), calm, report, tuple(run.samples), dict(run.ready))
    out.mkdir(parents=True, exist_ok=True)
    (out / "attacked.md").write_text(siege.text())
    return siege


@contextmanager
def bed(folder: Path, cores: Cores, workers: int) -> Iterator[Bed]:
    program = find_peer(kun.KUN, folder)
    if program is None:
        raise BenchError("kun-dns64 is missing: make venv")
    with ExitStack() as stack:
        upstream, port = free_port(), free_port()
        argv = (sys.executable, "-m", "bench.soak.upstream", str(upstream))
        stack.enter_context(running(argv, cores.load, folder, {"PYTHONPATH": os.getcwd()}))
        text = kun.configuration(port, workers, (upstream,), f"max_bytes = {MAX_BYTES}")
        (folder / "kun.toml").write_text(text)
        where = cores.pair if workers > 1 else cores.server
        server = stack.enter_context(running((program, "serve", "--config", "kun.toml"), where, folder))
        first_answer(port, FIRST, START_DEADLINE_S, lambda: check_alive([server]))
        queries = folder / "queries.bin"
        mix = Mix(names(HOT_NAMES), names(FRESH_NAMES, HOT_NAMES))
        queries.write_bytes(framed(mixed(mix, COOKIES, seed=1)))
        yield Bed(cores, str(compiled("load", folder)), port, server, queries)


def load_argv(run: Bed, mode: str, number: float, seconds: float, passes: int = 0) -> list[str]:
    figures = [f"{number:.3f}", "127.0.0.1", run.port, SOCKETS, f"{seconds:.3f}", passes, run.queries]
    return [run.load, mode, *(str(figure) for figure in figures), prefix_hex(0), prefix_hex(1)]


def warmed(run: Bed) -> float:
    """Answers a second with the server's core full, after every name was asked for once."""
    deadline_s = WARM_S + START_DEADLINE_S
    output_of(load_argv(run, "window", WINDOW, WARM_S, passes=1), run.cores.load, deadline_s)
    report = parse_load(output_of(load_argv(run, "window", WINDOW, CAPACITY_S), run.cores.load, deadline_s))
    return report.good / report.seconds


@contextmanager
def attacked(run: Bed, attackers: Sequence[str], folder: Path) -> Iterator[None]:
    """They stand behind the load where both want one core: it must not be late for their sake."""
    with ExitStack() as stack:
        for name in attackers:
            argv = ("nice", "-n", "10", sys.executable, "-m", "bench.soak.attackers", name, str(run.port), "1")
            stack.enter_context(running(argv, run.cores.load, folder, {"PYTHONPATH": os.getcwd()}))
        yield


def under_attack(run: Bed, per_s: float, seconds: float) -> LoadReport:
    argv = load_argv(run, "rate", per_s, seconds)
    load = subprocess.Popen(pinned(argv, run.cores.load), stdout=subprocess.PIPE, start_new_session=True)
    began = time.monotonic()
    while load.poll() is None:
        check_alive([run.server])
        usage = look([run.server.pid])
        run.samples.append(Sample(time.monotonic() - began, usage.rss_kb, usage.ticks / os.sysconf("SC_CLK_TCK")))
        run.ready[readiness(run.port + 1)] += 1
        time.sleep(LOOK_S)
    told, _ = load.communicate()
    return parse_load(told.decode())


def readiness(admin: int) -> int:
    """The status of /readyz; 0: no answer in time."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{admin}/readyz", timeout=5) as page:
            return int(page.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0
