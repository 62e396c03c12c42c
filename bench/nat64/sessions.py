"""The session log's costs: a million live sessions, ten million records, and `who` among them."""

import os
import random
import subprocess
import sys
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import TypeVar

from bench.procstat import look as look_at_process
from kun_base.prefix import Prefix
from kun_nat64.drivers.session_database import SessionBook, parts_of
from kun_nat64.drivers.sessionfile import SessionFile
from kun_nat64.formats.elastic_common_schema import EcsLines
from kun_nat64.model.audit import PROTOCOLS, Record, SessionKey, Timeouts
from kun_nat64.model.sessionlist import Pages, SessionPage, key_of, packed
from kun_nat64.model.traffic import Endpoint4, Endpoint6
from kun_nat64.policy.session_tracking import Ledger, Look

POOL6 = Prefix.parse("2002:cb00:7101::/96")
TIMEOUTS = Timeouts(7200, 240, 300, 60)
POD = int(IPv6Address("2002:a01:2:1::10"))
PUBLIC = int(IPv4Address("192.0.2.0"))
BEGIN, BATCH = 1_763_700_000.0, 100_000
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Spent:
    """`wall_s`, `cpu_s` in seconds; `size_bytes` on the disk."""

    wall_s: float
    cpu_s: float
    size_bytes: int = 0


def record(number: int, place: int) -> Record:
    """The same for the same number: ports in order, as Jool gives them; ten minutes long on average."""
    dice = number * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF  # spreads, and costs less than the work that is measured
    port = 1024 + number % 64_000
    flow = SessionKey(
        PROTOCOLS[number % 3],
        Endpoint6(IPv6Address(POD + (dice >> 20) % 5_000), 32768 + (dice >> 32) % 28_000),
        Endpoint4(IPv4Address(PUBLIC + number // 64_000 % 16), port),
        Endpoint4(IPv4Address(dice >> 32), 443),
    )
    began = BEGIN + number / 1000
    return Record(flow, began - 10, began, None, place)


def fill(folder: Path, records: int) -> Spent:
    """Begin and end of every session, in batches as the agent writes them."""
    book = SessionBook(folder, 10**12, 3650 * 86400.0)
    book.start(BEGIN)
    wall = cpu = 0.0
    waiting: list[Record] = []
    for first in range(0, records, BATCH):
        fresh = [record(number, book.current) for number in range(first, min(first + BATCH, records))]
        now = BEGIN + (first + BATCH) / 1000
        spent, _ = timed(lambda fresh=fresh, ended=waiting, now=now: book.write(fresh, ended, now))  # type: ignore[misc]
        wall, cpu = wall + spent.wall_s, cpu + spent.cpu_s
        waiting = [replace(one, ended=now + 60) for one in fresh]
    book.write([], waiting, BEGIN + records / 1000 + 100)
    size_bytes = book.trim(BEGIN)
    book.close()
    return Spent(wall, cpu, size_bytes)


def asked(folder: Path, records: int, times: int) -> list[tuple[float, float]]:
    """Milliseconds, wall and CPU, of the whole command with its interpreter's start; every answer is checked."""
    took = []
    for turn in range(times):
        one = record(random.Random(turn).randrange(records), 0)
        public = str(one.flow.outside)
        argv = ("who", public, "--at", f"{one.began + 1:.3f}", "--proto", str(one.flow.protocol), "--json")
        begun, before = time.perf_counter(), os.times()
        done = subprocess.run(
            [sys.executable, "-c", "from kun_nat64.cli.main import main; main()", *argv, "--database", str(folder)],
            capture_output=True,
            text=True,
            check=False,
        )
        wall_s, after = time.perf_counter() - begun, os.times()
        cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
        took.append((wall_s * 1e3, cpu_s * 1e3))
        if f'"{one.flow.inside.address}"' not in done.stdout:
            raise AssertionError(f"{public}: {done.stdout}{done.stderr}")
    return took


def lines(folder: Path, records: int) -> Spent:
    file = SessionFile(folder / "sessions.jsonl", 10**12, 3650 * 86400.0)
    form = EcsLines("gw1", IPv4Address("203.0.113.1"), POOL6, "0")
    ended = tuple(replace(record(number, 0), ended=BEGIN + number / 1000 + 60) for number in range(records))
    spent, _ = timed(lambda: file.write(form.lines((), ended), BEGIN))
    size_bytes = file.trim(BEGIN)
    file.close()
    return replace(spent, size_bytes=size_bytes)


def table(count: int) -> Pages:
    pages: Pages = {}
    for number in range(count):
        flow = record(number, 0).flow
        page = pages.setdefault(key_of(flow), SessionPage(bytearray(), array("f")))
        page.flows += packed(flow)
        page.left_s.append(50.0)
    return pages


def look(count: int) -> tuple[Spent, int]:
    """One look at sessions that are known already, and the memory in bytes that knowing them takes."""
    ledger, before = Ledger(), look_at_process([os.getpid()]).rss_kb
    first = Look(table(count), BEGIN, BEGIN)
    timed(lambda: compared(ledger, first))
    grown = (look_at_process([os.getpid()]).rss_kb - before) * 1024
    again = Look(table(count), BEGIN + 10, BEGIN + 10)
    spent, _ = timed(lambda: compared(ledger, again))
    return spent, grown


def compared(ledger: Ledger, look: Look) -> None:
    for _ in ledger.take(look, TIMEOUTS, 1):
        pass


def timed(work: Callable[[], Result]) -> tuple[Spent, Result]:
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return Spent(time.perf_counter() - wall, time.process_time() - cpu), result


def report(folder: Path, records: int, live: int, times: int) -> str:
    """A table for people. Leaves the database in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    filled = fill(folder, records)
    took = sorted(asked(folder, records, times))
    written = lines(folder, min(records, 200_000))
    seen, memory = look(live)
    count = min(records, 200_000)
    rows = (
        (f"database: write {records:,} sessions, begin and end", f"{filled.cpu_s / records * 1e6:.1f} µs CPU each"),
        ("database: all of it, wall time", f"{filled.wall_s:.0f} s"),
        (f"database: size, in {len(parts_of(folder))} parts", f"{filled.size_bytes / records:.0f} bytes each"),
        (f"`kun-nat64 who` among {records:,} records, median of {times}", f"{took[len(took) // 2][0]:.0f} ms"),
        ("the slowest of them", f"{took[-1][0]:.0f} ms"),
        ("CPU of the whole command, median", f"{sorted(cpu for _, cpu in took)[len(took) // 2]:.0f} ms"),
        ("JSON lines: write one", f"{written.cpu_s / count * 1e6:.1f} µs CPU, {written.size_bytes / count:.0f} bytes"),
        (f"one look at {live:,} known live sessions", f"{seen.cpu_s:.2f} s CPU"),
        ("memory for the sessions and their first look", f"{memory / live:.0f} bytes each"),
    )
    return "\n".join(["| what | figure |", "|---|---|", *(f"| {what} | {figure} |" for what, figure in rows)]) + "\n"
