"""The measurements: each takes a running server and gives figures by row (rows.py).

Keys that begin with "_" are not rows; they carry a figure to a later measurement of the same server in the same round.
"""

import socket
import time
from collections.abc import Callable, Mapping
from ipaddress import IPv6Address

from bench.bed import Bed
from bench.ctools import LoadReport
from bench.delayed_upstream import counted
from bench.names import FIRST, name_of, names, shuffled
from bench.process import BenchError
from bench.queries import Mix, framed, mixed, query
from bench.server import Server
from bench.wire import ask, client, first_address, learn_cookies

Figures = dict[str, float]
Step = Callable[[Bed, Server, Mapping[str, float]], Figures]
COOKIE_CLIENTS = 50
RATE_KEPT = 0.98
MIXED_LIMIT_S = 120.0
RELOAD_LIMIT_S = 60.0
POOL_PREFIX = IPv6Address("2002:cb00:7181::")


def start(_bed: Bed, server: Server, _known: Mapping[str, float]) -> Figures:
    return {"start": server.start_ms, "_rss_kb": server.look().rss_kb}


def cold(bed: Bed, server: Server, _known: Mapping[str, float]) -> Figures:
    """Every name once into an empty cache: the AAAA and the A are both asked of the authority."""
    count = bed.plan.cold_names
    before = server.look()
    report = bed.cold(server.port, count)
    after = server.look()
    return {
        "cold": report.completed / report.seconds,
        "cold_cpu": after.cpu_s_since(before) * 1e6 / report.completed,
        "rss_small": (after.rss_kb - before.rss_kb) * 1024 / count,
    }


def hot(bed: Bed, server: Server, _known: Mapping[str, float]) -> Figures:
    if server.peer.resolves:
        bed.warm(server.port)
    before = server.look()
    report = bed.load(server.port, "window", bed.plan.window, bed.hot_wire(), seconds=bed.plan.seconds)
    cpu_s = server.look().cpu_s_since(before)
    return {"hot": report.good / report.seconds, "hot_cpu": report.good / positive(cpu_s)}


def half_load(bed: Bed, server: Server, known: Mapping[str, float]) -> Figures:
    """At half of what one core of this server can do, so that a faster server is asked more."""
    report = paced(bed, server, needed(known, "hot_cpu") / 2)
    return {"p50": report.p50_us, "p99": report.p99_us, "p999": report.p999_us}


def same_load(bed: Bed, server: Server, _known: Mapping[str, float]) -> Figures:
    report = paced(bed, server, bed.plan.same_rate)
    return {"same_p50": report.p50_us, "same_p99": report.p99_us, "same_p999": report.p999_us}


def paced(bed: Bed, server: Server, rate: float) -> LoadReport:
    report = bed.load(server.port, "rate", rate, bed.hot_wire(), seconds=bed.plan.seconds)
    if report.sent < rate * bed.plan.seconds * RATE_KEPT:
        raise BenchError(f"the load could not keep up {rate:,.0f} queries a second")
    return report


def tcp(bed: Bed, server: Server, _known: Mapping[str, float]) -> Figures:
    before = server.look()
    report = bed.tcp(server.port)
    cpu_s = server.look().cpu_s_since(before)
    return {"tcp": report.completed / report.seconds, "tcp_cpu": report.completed / positive(cpu_s)}


def mixed_load(bed: Bed, server: Server, _known: Mapping[str, float]) -> Figures:
    """Nine hot names to one never asked before; clients draw the case of every letter and send their cookies."""
    plan = bed.plan
    bed.warm(server.port)
    clients = [bytes((number, *b"kunbnch")) for number in range(COOKIE_CLIENTS)]
    cookies = learn_cookies(server.port, clients, FIRST)
    mix = Mix(names(plan.hot_names), shuffled(plan.fresh_names, bed.round, plan.hot_names))
    path = bed.folder / f"mixed-{server.peer.key}.bin"
    path.write_bytes(framed(mixed(mix, cookies, bed.round)))
    before = server.look()
    report = bed.load(server.port, "window", plan.window, path, seconds=MIXED_LIMIT_S, passes=1)
    cpu_s = server.look().cpu_s_since(before)
    return {"mixed": report.good / report.seconds, "mixed_cpu": cpu_s * 1e6 / report.good}


def pair(bed: Bed, server: Server, known: Mapping[str, float]) -> Figures:
    """Two workers. Where they must share their cores with the load, CPU seconds of the busier one stand for time."""
    bed.warm(server.port)
    before = server.look()
    plan, cores = bed.plan, bed.cores
    report = bed.load_from(
        cores.pair_load, plan.pair_sockets, server.port, "window", plan.window, bed.hot_wire(), plan.seconds
    )
    after = server.look()
    busy_s = after.cpu_s_since(before) / 2 if server.peer.movable_threads else after.busiest_s_since(before)
    per_busier = report.good / positive(busy_s)
    one, two = ("hot_cpu", per_busier) if cores.shared else ("hot", report.good / report.seconds)
    return {"pair": per_busier, "pair_gain": two / needed(known, one)}


def big(bed: Bed, server: Server, _known: Mapping[str, float]) -> Figures:
    count = bed.plan.big_names
    before = server.look().rss_kb
    bed.cold(server.port, count)
    after = server.look().rss_kb
    return {"rss_big": (after - before) * 1024 / count, "rss_big_total": after / 1024}


def far(bed: Bed, server: Server, _known: Mapping[str, float]) -> Figures:
    """What an upstream some way off is asked for each of its questions, and what that costs here."""
    before, (packets, questions) = server.look(), counted(bed.upstream_port)
    report = bed.far(server.port, bed.plan.far_names)
    cpu_s = server.look().cpu_s_since(before)
    packets_now, questions_now = counted(bed.upstream_port)
    return {
        "asked": (packets_now - packets) / (questions_now - questions),
        "far_cpu": cpu_s * 1e6 / report.completed,
    }


def pool(bed: Bed, server: Server, known: Mapping[str, float]) -> Figures:
    """Every asked name is in a pool of a million suffixes, so that each decision finds its suffix."""
    rss_kb = server.look().rss_kb
    address = first_address(server.first_answer(name_of(0)))
    if int(address) >> 32 != int(POOL_PREFIX) >> 32:
        raise BenchError(f"a name of the pool got {address}, outside {POOL_PREFIX}/96")
    found_cold, found_hot = cold(bed, server, known), hot(bed, server, known)
    return {
        "pool_start": server.start_ms,
        "pool_rss": (rss_kb - known.get("_rss_kb", 0)) / 1024,
        "pool_cold_cpu": found_cold["cold_cpu"],
        "pool_hot_cpu": found_hot["hot_cpu"],
    }


def pool_reload(bed: Bed, server: Server, _known: Mapping[str, float]) -> Figures:
    """The list loses its first name; from then until that shows, one listed name is asked every millisecond."""
    path = bed.suffix_file
    first, _, rest = path.read_bytes().partition(b"\n")
    if first.decode() + "." != name_of(0):
        raise BenchError(f"the list does not begin with {name_of(0)}")
    server.first_answer(name_of(1))
    begun, slowest_s = time.monotonic(), 0.0
    path.write_bytes(rest)
    with client(server.port) as sock:
        sock.settimeout(RELOAD_LIMIT_S)
        while time.monotonic() - begun < RELOAD_LIMIT_S:
            slowest_s = max(slowest_s, _answer_time_s(sock, query(name_of(1))))
            if int(first_address(server.first_answer(name_of(0)))) >> 32 != int(POOL_PREFIX) >> 32:
                return {"pool_reload": (time.monotonic() - begun) * 1e3, "pool_reload_worst": slowest_s * 1e3}
            time.sleep(0.001)
    raise BenchError(f"the list was not in force within {RELOAD_LIMIT_S:.0f} s")


def _answer_time_s(sock: socket.socket, wire: bytes) -> float:
    sent = time.monotonic()
    if not ask(sock, wire):
        raise BenchError("a query during the reload was not answered")
    return time.monotonic() - sent


def needed(known: Mapping[str, float], row: str) -> float:
    if row not in known:
        raise BenchError("the hot measurement that this one builds on failed")
    return known[row]


def positive(cpu_s: float) -> float:
    if cpu_s <= 0:
        raise BenchError("the server used no CPU time that /proc could show")
    return cpu_s
