"""Every store books what it holds: filled with its worst entries it grows by no more than its bound, and a third."""

import subprocess
import sys

import pytest

BOUND = 8 << 20
MOST_GROWTH = 1.3

PRELUDE = """
import os, random, sys
from kun_dns64.model.message import Ede, Record, Response
from kun_dns64.model.question import Question
from kun_dns64.model.step import AskedFlags, FailureKind, UpstreamFailure
from kun_dns64.cache.answers import FAILURES_SHARE, Cache
from kun_dns64.fastpath.selection import choose_parts

BOUND = %d

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def name(number, length=200):
    label = b"%%08d" %% number
    rest = b"\\x3f" + b"x" * 63
    return bytes((len(label),)) + label + (rest * 3 if length > 60 else b"") + b"\\x00"

def cache(share=1):
    # `share`: of the whole that the store in question gets; 1: the answers, which have nearly all of it.
    return Cache(1 << 30, share * BOUND, store=choose_parts().store)

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
for number in range(34_000):
    copies = tuple(record._replace(rdata=bytes(bytearray(record.rdata))) for record in records[: 8])
    said = Response(2, copies, copies, copies, ede=tuple(Ede(22, "x" * 4000) for _ in range(5)))
    store.store(Question(name(number), 28), AskedFlags(), "", said, 1000.0)
""",
    "short failures": """
store = cache(FAILURES_SHARE)
before = resident()
for number in range(70_000):
    store.store(Question(name(number, 8), 28), AskedFlags(), "", lost(number), 1000.0)
""",
    "referrals": """
store = cache(FAILURES_SHARE)
before = resident()
for number in range(20_000):
    away = tuple(Record(name(n), 2, 1, 60, name(n + number)) for n in range(6))
    store.store(Question(name(number), 28), AskedFlags(), "", Response(0, (), away, away), 1000.0)
""",
    "small answers": """
store = cache()
before = resident()
for number in range(100_000):
    store.store(Question(name(number, 8), 1), AskedFlags(), "", one(number), 1000.0)
""",
    "large answers": """
store = cache()
before = resident()
for number in range(1_500):
    data = tuple(Record(name(number), 16, 1, 60, b"\\xff" + os.urandom(255)) for n in range(60))
    store.store(Question(name(number), 16), AskedFlags(), "", Response(0, data), 1000.0)
""",
}


@pytest.mark.parametrize("fill", FILLS)
def test_a_store_full_of_its_worst_is_within_its_bound(fill: str) -> None:
    code = PRELUDE % BOUND + FILLS[fill] + "print(resident() - before)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert int(ended.stdout) < MOST_GROWTH * BOUND


REPLIES = """
from ipaddress import ip_network
from kun_dns64.policy.memory_share import MemoryShare
from kun_dns64.serving.reply_lookup import ReplyLookup
from tests.dns64.world import rules
from kun_dns64.model.rules import ClientPolicy
import dns.message, time
from kun_dns64.model.message import Transport
from kun_dns64.model.step import Heard, Reply, Rule

CLASSES = 60
lookup = ReplyLookup(
    rules(clients=tuple(ClientPolicy(str(n), (ip_network(f"2001:db8:{n:x}::/48"),)) for n in range(CLASSES))),
    (bytes(16),), choose_parts(), 1232, MemoryShare(1 << 30, BOUND, 1 << 30, BOUND),
)

def asked(number):
    return dns.message.make_query(f"n{number:08d}.t.example.", "TXT", use_edns=0, id=1).to_wire()

def fill(count, size):
    for number in range(count):
        wire = asked(number)
        packet = wire[:2] + b"\\x81\\x80" + wire[4:-11] + os.urandom(size) + wire[-11:]
        packet = packet[:6] + bytes(4) + packet[10:]
        source = f"2001:db8:{number % CLASSES:x}::1"
        tick = int(time.monotonic())
        heard = (Heard(Question(b"\\x00", 16), UpstreamFailure(FailureKind.LAME), steady_s=300, tick=tick),)
        memo = lookup._memo(source, Transport.UDP)
        key = memo._prefix + memo._keyed(wire)[1].of(wire)
        memo._store.put(key, tick.to_bytes(4) + (tick + 300).to_bytes(4) + bytes(6) + packet[2:12] + packet[30:])
        assert lookup.quick(wire, source) is not None
"""
REPLY_FILLS = {"short replies": (40_000, 40), "long replies": (10_000, 1100)}
# What was said this second, of all memos together (reply_lookup), and what is known of each source.
BESIDE = 16 << 20


@pytest.mark.parametrize("fill", REPLY_FILLS)
def test_finished_replies_are_within_their_bound_however_many_client_classes_there_are(fill: str) -> None:
    count, size = REPLY_FILLS[fill]
    code = PRELUDE % BOUND + REPLIES + f"before = resident()\nfill({count}, {size})\nprint(resident() - before)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200, check=False)
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) < MOST_GROWTH * BOUND + BESIDE
