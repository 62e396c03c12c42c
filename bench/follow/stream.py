"""100,000 exceptions: bytes on the wire, time to take them, and what a delta costs; no program runs."""

import json
import time
import zlib
from collections.abc import Iterable
from ipaddress import IPv6Address

from kun_base.table_intake import TableIntake
from kun_base.table_lines import read_line
from kun_cluster.formats.record_text import Record
from kun_cluster.model.table import ClassRecord, Client, PoolRecord
from kun_cluster.state.live_table import Touched
from kun_cluster.state.table_view import TableView, everything

COUNT, PER_NAMESPACE = 100_000, 800


def controller(count: int = COUNT) -> TableView:
    """A view with many exceptions, as one cluster of many pods has them."""
    pool = PoolRecord("203.0.113.1", ("2002:cb00:7101::/96",), "spread", is_default=True)
    records: dict[tuple[str, str], Record] = {
        ("pool", "standard"): pool,
        ("class", "native"): ClassRecord("native", synthesise=False),
        ("class", "default"): ClassRecord("translate", synthesise=True),
    }
    for number in range(count):
        key = str(IPv6Address((0x2002_0A01 << 96) + (number // 1000 << 80) + number))
        client = Client("native", f"team-{number // PER_NAMESPACE}", f"web-{number:08x}-{number * 7919 % 99991:05x}")
        records["client", key] = client
    view = TableView("exceptions", everything, "bench")
    view.take([Touched(*key, None, record) for key, record in records.items()], 1, 0.0)
    return view


def packed(lines: Iterable[str]) -> bytes:
    """As the controller sends it."""
    press = zlib.compressobj(wbits=31)
    return b"".join(press.compress(f"{line}\n".encode()) for line in lines) + press.flush()


def take(intake: TableIntake, lines: list[str]) -> tuple[float, float]:
    """CPU seconds in all, and of the longest line."""
    longest, began = 0.0, time.process_time()
    for line in lines:
        at = time.process_time()
        intake.take(read_line(line.encode()), 0.0)
        longest = max(longest, time.process_time() - at)
    return time.process_time() - began, longest


def report() -> list[str]:
    """The lines of the report."""
    view = controller()
    lines, intake = view.snapshot(), TableIntake()
    intake.connected("", "exceptions")
    plain = sum(len(line.encode()) + 1 for line in lines)
    took_s, longest_s = take(intake, lines)
    deltas = []
    for number in range(200):
        before = view.version
        key = next(key for key in view.records if key[0] == "client")
        view.take([Touched(*key, None, Client("default", "team-0", f"p-{number}"))], 2 + number, 0.0)
        deltas.append(take(intake, view.since(before))[0])
    assert json.loads(view.heartbeat(0.0))["version"] == intake.in_force.version
    deltas.sort()
    return [
        f"{COUNT} exceptions: {plain / 1e6:.2f} MB as lines, {len(packed(lines)) / 1e6:.2f} MB on the wire (gzip)",
        f"taken and in force in {took_s:.2f} s of CPU; the longest step {longest_s * 1e3:.0f} ms (the commit)",
        f"a delta of one client: median {deltas[100] * 1e3:.2f} ms, most {deltas[-1] * 1e3:.2f} ms",
    ]
