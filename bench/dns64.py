"""The DNS64 benchmark from end to end."""

import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from bench.authority import authority
from bench.bed import Bed
from bench.ctools import compiled
from bench.install import install, missing_packages, missing_tools
from bench.machine import Cores, describe, load_warning, share_out, stolen_share
from bench.names import PREFIX_TEXT
from bench.peers import PEERS, Peer
from bench.plan import Plan
from bench.plot import svg
from bench.process import BenchError
from bench.programs import find_peer, version_of
from bench.progress import telling
from bench.results import Results
from bench.rounds import run_rounds
from bench.session import Contender
from bench.table import Heading, markdown

STAT = Path("/proc/stat")


def bench_dns64(plan: Plan, keys: Sequence[str], out: Path, *, may_install: bool, command: str) -> None:
    """Writes bench.md, bench.json and bench.svg into `out`; after Ctrl-C with the rounds there are."""
    peers = [peer for peer in PEERS if not keys or peer.key in keys]
    if may_install:
        install(missing_packages(peers))
    if tools := missing_tools():
        raise BenchError(f"missing: apt-get install {' '.join(tools)} (or --install)")
    cores = share_out(sorted(os.sched_getaffinity(0)))
    os.sched_setaffinity(0, cores.load)
    load_before, stat_before = os.getloadavg()[0], STAT.read_text()
    results = Results()
    contenders: list[Contender] = []
    missing: list[str] = []
    try:
        measure(plan, peers, cores, results, contenders, missing)
    finally:
        warnings = warn(load_before, stolen_share(stat_before, STAT.read_text()), plan)
        heading = Heading(command, describe(cores), terms(plan, cores), warnings, missing)
        write(out, heading, results, contenders)


def measure(
    plan: Plan,
    peers: Sequence[Peer],
    cores: Cores,
    results: Results,
    contenders: list[Contender],
    missing: list[str],
) -> None:
    """Fills the three lists."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kun-bench-", ignore_cleanup_errors=True)))
        for peer in peers:
            program = find_peer(peer, folder)
            if program:
                contenders.append(Contender(peer, program, version_of(peer, program)))
            else:
                missing.append(f"{peer.title}: {how_to_get(peer)}")
        load = str(compiled("load", folder))
        print(f"preparing a zone of {plan.zone_names:,} names", file=sys.stderr, flush=True)
        port = stack.enter_context(authority(folder / "authority", cores.load, plan.zone_names))
        bed = Bed(plan, cores, folder, port, load, 0)
        run_rounds(bed, contenders, results, stack.enter_context(telling()))


def how_to_get(peer: Peer) -> str:
    if peer.package:
        return f"apt-get install {peer.package}, or --install"
    return "needs Go (bench/README.md)" if peer.key == "coredns" else "make venv"


def terms(plan: Plan, cores: Cores) -> list[str]:
    pair = "shared with the load" if cores.shared else f"cores {cores.pair}, load on {cores.pair_load}"
    return [
        f"server on core {cores.server[0]}, load and upstream on core {cores.load[0]}; two workers: {pair}",
        f"upstream: NSD, {plan.zone_names:,} A-only names; every server forwards to it; prefix {PREFIX_TEXT}",
        f"validation off, logging off, caches larger than the zone; hot: {plan.hot_names:,} cached names, "
        f"{plan.window} outstanding; cold: {plan.cold_names:,} names once, 100 outstanding; "
        f"mixed: {plan.fresh_names:,} new names among {plan.fresh_names * 10:,} queries",
        f"same rate for all: {plan.same_rate:,} queries a second; latency counts from the moment a query was due",
        "cold and TCP by dnsperf; the other rows by bench/c/load.c, because dnsperf has no percentiles and, with its "
        "two threads on one core, cannot fill the faster servers",
        "CPU time: user and system time of the server's processes, children and threads (/proc/PID/stat); sending on "
        "loopback also pays for the receiver's half of the stack, the same for all",
    ]


def warn(load_before: float, stolen: float, plan: Plan) -> list[str]:
    found = load_warning(load_before)
    if stolen > 0.01:
        found.append(f"{stolen:.1%} of the CPU time was stolen by the hypervisor's other guests.")
    if plan.rounds < 5:
        found.append(f"Only {plan.rounds} round(s): a trial, not a measurement.")
    return found


def write(out: Path, heading: Heading, results: Results, contenders: Sequence[Contender]) -> None:
    if not results.samples and not results.failures:
        return
    out.mkdir(parents=True, exist_ok=True)
    (out / "bench.md").write_text(markdown(heading, results, contenders))
    (out / "bench.json").write_text(results.to_json())
    (out / "bench.svg").write_text(svg(results, contenders))
