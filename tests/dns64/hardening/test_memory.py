"""Every store books what it holds: filled with its worst entries it grows by no more than its bound, and a third."""

import subprocess
import sys

import pytest

BOUND = 24 << 20
MOST_GROWTH = 1.3

PRELUDE = """
import os, random, sys
from kun_dns64.model.message import Ede, Record, Response
from kun_dns64.model.question import Question
from kun_dns64.model.step import AskedFlags, FailureKind, UpstreamFailure
from kun_dns64.policy.cache import FAILURES_SHARE, Cache
from kun_dns64.transport.compiled import generations

BOUND = %d

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def name(number, length=200):
    label = b"%%08d" %% number
    rest = b"\\x3f" + b"x" * 63
    return bytes((len(label),)) + label + (rest * 3 if length > 60 else b"") + b"\\x00"

def cache(share=1):
    # `share`: of the whole that the store in question gets; 1: the answers, which have nearly all of it.
    return Cache(1 << 30, share * BOUND, store=generations())

def one(number):
    return Response(0, (Record(name(number, 8), 1, 1, 60, b"abcd"),))

def lost(number):
    return UpstreamFailure(FailureKind.TIMEOUT, f"no answer {number}")
"""

FILLS = {
    "failures that carry an answer": """
store = cache(FAILURES_SHARE)
records = tuple(Record(name(n), 16, 1, 60, b"\\xff" + os.urandom(255)) for n in range(200))
before = resident()
for number in range(100_000):
    copies = tuple(record._replace(rdata=bytes(bytearray(record.rdata))) for record in records[: 8])
    said = Response(2, copies, copies, copies, ede=tuple(Ede(22, "x" * 4000) for _ in range(5)))
    store.store(Question(name(number), 28), AskedFlags(), "", said, 1000.0)
""",
    "short failures": """
store = cache(FAILURES_SHARE)
before = resident()
for number in range(200_000):
    store.store(Question(name(number, 8), 28), AskedFlags(), "", lost(number), 1000.0)
""",
    "referrals": """
store = cache(FAILURES_SHARE)
before = resident()
for number in range(60_000):
    away = tuple(Record(name(n), 2, 1, 60, name(n + number)) for n in range(6))
    store.store(Question(name(number), 28), AskedFlags(), "", Response(0, (), away, away), 1000.0)
""",
    "small answers": """
store = cache()
before = resident()
for number in range(300_000):
    store.store(Question(name(number, 8), 1), AskedFlags(), "", one(number), 1000.0)
""",
    "large answers": """
store = cache()
before = resident()
for number in range(3_000):
    data = tuple(Record(name(number), 16, 1, 60, b"\\xff" + os.urandom(255)) for n in range(60))
    store.store(Question(name(number), 16), AskedFlags(), "", Response(0, data), 1000.0)
""",
}


@pytest.mark.parametrize("fill", FILLS)
def test_a_store_full_of_its_worst_is_within_its_bound(fill: str) -> None:
    code = PRELUDE % BOUND + FILLS[fill] + "print(resident() - before)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert int(ended.stdout) < MOST_GROWTH * BOUND
