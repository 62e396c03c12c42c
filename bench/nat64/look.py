"""One look at many sessions: from `jool session display` to what is new in the session log.

usage: python -m bench.nat64.look FOLDER ROWS

`jool` is a stand-in that prints a file. A third each is TCP, UDP and ICMP, over 16 public addresses and 5,000 pods, in
the order in which Jool lists them. Run as a process of its own, so that memory is its own.
"""

import asyncio
import json
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from ipaddress import IPv6Address
from itertools import count
from pathlib import Path

from bench.nat64.stubs import SESSION_HEADER, script
from bench.process import BenchError, last_line
from kun_nat64.drivers.command import ProcessRunner
from kun_nat64.drivers.jool import JoolDriver
from kun_nat64.model.audit import Timeouts
from kun_nat64.policy.session_tracking import Ledger, Look

TIMEOUTS = Timeouts(7200, 240, 300, 60)
PROBE = IPv6Address("fd6b:756e:3634::2")
PROTOCOLS = ("tcp", "udp", "icmp")
ADDRESSES, PODS, REMOTES = 16, 5_000, 100_000
# Of a thousand sessions so many end, and as many begin, from one look to the next.
CHANGED = 30
FLOOD_PIECE = 100_000
JOOL = """\
#!/bin/sh
for word in "$@"; do case "$word" in --tcp|--udp|--icmp) exec cat {folder}/session$word.csv ;; esac; done
"""
FLOOD = """\
#!/bin/sh
case "$*" in *--udp*) ;; *) exec cat {folder}/header.csv ;; esac
cat {folder}/header.csv
for turn in $(seq {times}); do cat {folder}/flood.csv; done
"""


@dataclass(frozen=True, slots=True)
class Looked:
    """CPU seconds of this process, and MiB that it grew by at most."""

    rows: int
    cpu_s: float
    grown_mib: float


def measure(rows: int, folder: Path, *, flood: bool = False) -> Looked:
    """Raises BenchError."""
    argv = [sys.executable, "-m", "bench.nat64.look", str(folder), str(rows), *(["flood"] if flood else [])]
    place = Path(__file__).parent.parent.parent
    done = subprocess.run(argv, capture_output=True, text=True, cwd=place, check=False)
    if done.returncode:
        raise BenchError(last_line(done.stderr))
    return Looked(**json.loads(done.stdout))


def rows_of(protocol: str, number: int, turn: int) -> Iterator[str]:
    """Those of look `turn`: the same as at the one before, but for some."""
    state = ",ESTABLISHED" if protocol == "tcp" else ""
    for place in range(number):
        fresh = turn if place % 1000 < CHANGED else 0
        dice = random.Random(place * 1_000_003 + fresh).getrandbits(96)
        pod, inside_port, remote = (
            dice % PODS,
            32_768 + (dice >> 16) % 28_000,
            0x0B000000 + (dice >> 32) % REMOTES * 977,
        )
        address, port = divmod(place, -(-number // ADDRESSES))
        inside, public = f"2002:a01:{pod >> 6:x}:1::{pod & 63:x}", f"192.0.2.{address + 1},{1024 + port % 64_000}"
        embedded = f"2002:cb00:7101::{remote >> 16:x}:{remote & 0xFFFF:x}"
        four = ".".join(str(byte) for byte in remote.to_bytes(4, "big"))
        seconds = (dice >> 64) % 59_999 / 1000
        yield (
            f"{protocol.upper()},{inside},{inside_port},{embedded},443,{public},{four},443,"
            f"0:0{dice % 4}:{seconds:06.3f}{state}\n"
        )


def write_table(folder: Path, rows: int, turn: int) -> None:
    for protocol in PROTOCOLS:
        with (folder / f"session--{protocol}.csv").open("w") as file:
            file.write(SESSION_HEADER)
            file.writelines(rows_of(protocol, rows // len(PROTOCOLS), turn))


def write_flood(folder: Path, rows: int) -> None:
    """One pod with all of them."""
    (folder / "header.csv").write_text(SESSION_HEADER)
    numbers = count()
    with (folder / "flood.csv").open("w") as file:
        for number in (next(numbers) for _ in range(FLOOD_PIECE)):
            public, remote = f"192.0.2.11,{1024 + number % 60_000}", f"198.51.{number >> 8 & 255}.{number & 255},53"
            inside, embedded = f"2002:a01:2:1::10,{number & 0xFFFF}", "2002:cb00:7101::c633:6435,53"
            file.write(f"UDP,{inside},{embedded},{public},{remote},0:04:{number % 60:02}.000\n")
    script(folder / "jool", FLOOD.format(folder=folder, times=rows // FLOOD_PIECE))


async def look(jool: JoolDriver, ledger: Ledger, at: float) -> int:
    found = await jool.flows("kun", PROBE)
    for _ in ledger.take(Look(found.pages, at, at, found.whole), TIMEOUTS, 1):
        pass
    return found.sessions


def run(folder: Path, rows: int, *, flood: bool) -> Looked:
    """Of a look at sessions that are known, but for some; of a flood, the first look."""
    write_flood(folder, rows) if flood else write_table(folder, rows, 0)
    if not flood:
        script(folder / "jool", JOOL.format(folder=folder))
    os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ.get('PATH', '')}"
    ledger, jool = Ledger(), JoolDriver(ProcessRunner())
    before = resident_kib()
    if not flood:
        asyncio.run(look(jool, ledger, 1_000.0))
        write_table(folder, rows, 1)
    begun = time.process_time()
    found = asyncio.run(look(jool, ledger, 1_010.0))
    spent = time.process_time() - begun
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return Looked(found, spent, grown / 1024)


def resident_kib() -> int:
    (line,) = (one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("VmRSS"))
    return int(line.split()[1])


if __name__ == "__main__":
    print(json.dumps(asdict(run(Path(sys.argv[1]), int(sys.argv[2]), flood="flood" in sys.argv[3:]))))
