"""What the agent costs while nothing happens: CPU share of a core (the tools it starts included) and memory.

Its own threads by the nanosecond (/proc/PID/task/TID/schedstat), its ended children by the clock tick.

The canary probes for real, from a namespace of its own; there the kernel itself holds the targets' embedded addresses
and answers (echo with a reply, TCP with a refusal, which counts as an answer). The BGP speaker is a real GoBGP with a
session to another one; what it needs for itself is not counted.
"""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.authority import free_port
from bench.nat64 import speakers
from bench.nat64.spec import spec_with
from bench.process import BenchError, last_line, running
from bench.procstat import PROC, TICKS_PER_S, look, parse_stat
from kun_nat64.model.spec import AgentSpec

READY_DEADLINE_S, SETTLE_S = 30.0, 6.0
WINDOWS = 5


@dataclass(frozen=True, slots=True)
class Idle:
    """`shares`: of one core in percent, one for each window."""

    shares: tuple[float, ...]
    rss_mib: float


def measure(addresses: int, seconds: float, folder: Path, cores: Sequence[int], *, members: int = 0) -> Idle:
    """`seconds` in all. Raises BenchError, also where root is missing.

    Of `members` (two at most) each is the agent itself by another name: it asks, and is asked, as one of a fleet.
    """
    if os.geteuid() != 0:
        raise BenchError("the canary's network namespace needs root")
    port = free_port()
    netns = f"kun-bench-{os.getpid()}"
    spec = spec_with(addresses, port, netns, f"127.0.0.1:{free_port()}")
    others = (f"http://{host}:{port}" for host in ("127.0.0.1", "localhost")[:members])
    words = (str(folder), str(addresses), str(port), netns, spec.bgp.api, *others)
    argv = (sys.executable, "-m", "bench.nat64.agent", *words)
    env = {"PYTHONPATH": str(Path(__file__).parent.parent.parent)}
    with (
        speakers.session(spec.bgp, folder, cores),
        probe_namespace(spec),
        running(argv, cores, folder, env) as process,
    ):
        wait_until_announced(port, folder)
        time.sleep(SETTLE_S)
        shares = tuple(share(process.pid, seconds / WINDOWS) for _ in range(WINDOWS))
        if process.poll() is not None:
            raise BenchError(f"the agent ended by itself: {log_end(folder)}")
        return Idle(shares, look([process.pid]).rss_kb / 1024)


def share(pid: int, seconds: float) -> float:
    before, begun = spent_s(pid), time.monotonic()
    time.sleep(seconds)
    return (spent_s(pid) - before) / (time.monotonic() - begun) * 100


def spent_s(pid: int) -> float:
    """CPU of all threads that live, and of all children that were waited for. Raises BenchError."""
    try:
        threads = [path.read_text().split()[0] for path in (PROC / str(pid) / "task").glob("*/schedstat")]
        stat = parse_stat((PROC / str(pid) / "stat").read_text())
    except OSError as error:
        raise BenchError(f"the agent ended by itself: {error}") from error
    return sum(map(int, threads)) / 1e9 + stat.reaped / TICKS_PER_S


@contextmanager
def probe_namespace(spec: AgentSpec) -> Iterator[None]:
    """The canary's namespace with the embedded addresses of all targets on its loopback. Gone on leaving."""
    name = spec.health.probe_netns
    ip("netns", "add", name)  # outside the try: one that was there before is not ours to delete
    try:
        ip("-n", name, "link", "set", "lo", "up")
        for address in sorted({str(spec.gateway.pool6.embed(target.address)) for target in spec.health.targets}):
            ip("-n", name, "address", "add", f"{address}/128", "dev", "lo", "nodad")
        yield
    finally:
        subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


def ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"ip {' '.join(words)}: {last_line(done.stderr)}")


def wait_until_announced(port: int, folder: Path) -> None:
    end = time.monotonic() + READY_DEADLINE_S
    said = "nothing"
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1) as response:
                if response.status == 200:
                    return
        except urllib.error.HTTPError as waiting:
            said = waiting.read(200).decode(errors="replace")
        except OSError as silent:
            said = str(silent)
        time.sleep(0.1)
    raise BenchError(f"the agent did not announce within {READY_DEADLINE_S:.0f} s ({said}): {log_end(folder)}")


def log_end(folder: Path) -> str:
    return last_line((folder / "log").read_text(errors="replace"))[:300]
