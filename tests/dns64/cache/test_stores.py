"""The compiled stores say what the plain ones say, call by call."""

import random
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun_dns64.cache import generations
from kun_dns64.cache.answers import Cache, key_of
from kun_dns64.cache.generations import Generations
from kun_dns64.model.question import Question, RRType
from kun_dns64.model.step import AskedFlags, FailureKind, UpstreamFailure

from ..world import answer, nodata, nxdomain

stores = pytest.importorskip(
    "kun_dns64.fastpath.stores", reason="kun_dns64.fastpath.stores is not compiled (make venv)"
)

ROOT = Path(__file__).resolve().parents[3]
KEYS = st.integers(0, 40).map(lambda n: b"key%d" % n)
CALLS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), KEYS, st.binary(max_size=60)),
        st.tuples(st.sampled_from(["get", "drop", "__contains__"]), KEYS),
        st.tuples(st.sampled_from(["clear", "retire", "__len__"])),
    ),
    max_size=120,
)
Q, FLAGS = Question(b"\x01w\x01t\x07example\x00", RRType.A), AskedFlags()
KEY = key_of(Q, FLAGS, "")


def weigh_double(value: bytes) -> int:
    return 2 * len(value)


@given(CALLS, st.integers(0, 30), st.integers(0, 9000), st.sampled_from([len, weigh_double]))
def test_generations_are_twins(calls: list[Any], entries: int, size_bytes: int, weigh: Any) -> None:
    plain: Generations[bytes] = Generations(entries, size_bytes, weigh)
    compiled = stores.Generations(entries, size_bytes, weigh)
    with patch.object(generations, "ENTRY_BYTES", stores.ENTRY_BYTES):
        _compare(plain, compiled, calls)


def _compare(plain: Generations[bytes], compiled: Any, calls: list[Any]) -> None:
    for name, *arguments in calls:
        said = [getattr(store, name)(*arguments) for store in (plain, compiled)]
        assert said[0] == said[1], name
        assert (plain._young, plain._old, plain.size_bytes) == (compiled._young, compiled._old, compiled.size_bytes)


def test_a_large_store_finds_what_a_dictionary_would() -> None:
    """Thousands of entries come, are replaced and go, so that the table grows and its chains are closed again."""
    draw, known, store = random.Random(7), dict[bytes, bytes](), stores.Generations(1 << 20, 1 << 30, len)
    for _ in range(60_000):
        key = b"%d" % draw.randrange(8000)
        if draw.random() < 0.4:
            known.pop(key, None)
            store.drop(key)
        else:
            known[key] = draw.randbytes(draw.randrange(90))
            store.put(key, known[key])
    assert store._young == known
    assert all(store.get(b"%d" % number) == known.get(b"%d" % number) for number in range(8000))
    assert store.size_bytes == sum(len(key) + len(value) + stores.ENTRY_BYTES for key, value in known.items())
    store.retire()
    assert (len(store), store.get(b"1")) == (0, None)
    for number in range(3000):
        store.put(b"%d" % number, b"")
    assert len(store) == 3000


MEMORY = """
from kun_dns64.cache.answers import key_of
from kun_dns64.fastpath.stores import Generations
from kun_dns64.model.question import Question
from kun_dns64.model.step import AskedFlags
from tests.dns64.world import wire_name

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

NAMES, flags = 50_000, AskedFlags()
data, replies = (Generations(1 << 30, 1 << 40, len) for _ in range(2))
before = resident()
for number in range(NAMES):
    name = wire_name(f"n{number:06d}.bench.example")
    data.put(key_of(Question(name, 28), flags, ""), bytes(76))  # no AAAA, and the zone's SOA
    data.put(key_of(Question(name, 1), flags, ""), bytes(40))  # an address
    replies.put(bytes(18) + name + bytes(4), bytes(58))  # the synthesised reply
print((resident() - before) / NAMES)
"""


def test_a_cached_name_takes_no_more_than_500_bytes() -> None:
    found = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True, cwd=ROOT)
    assert 200 < float(found.stdout) <= 500


@given(st.integers(0, 86_400), st.booleans(), st.floats(0, 100_000), st.booleans())
def test_what_the_shelf_keeps_and_finds_is_what_the_cache_does(
    lifetime: int, prefetch: bool, later: float, failed: bool
) -> None:
    response = answer(f"w {lifetime} A 192.0.2.1")
    plain, compiled = Cache(prefetch=prefetch), Cache(prefetch=prefetch, store=stores.Generations)
    plain.store(Q, FLAGS, "", response, 1000.5)
    entry = plain._data.get(KEY)
    shelf = stores.MissStore(compiled.stores())
    steady_s = shelf.keep(KEY, entry[12:] if entry else b"", lifetime, 1000.5)
    assert steady_s == plain.steady_s(Q, FLAGS, "", 1000.5)
    assert compiled._data.get(KEY) == entry
    if failed:
        plain.store(Q, FLAGS, "", UpstreamFailure(FailureKind.TIMEOUT), 1001.0)
        compiled.store(Q, FLAGS, "", UpstreamFailure(FailureKind.TIMEOUT), 1001.0)
    found, heard = shelf.find(KEY, 1001.0 + later), plain.lookup(Q, FLAGS, "", 1001.0 + later)
    if found is None:
        assert heard is None
    elif found is not False:
        assert heard is not None
        assert (heard.refresh, heard.stale) == (found[2] <= 0, False)
        assert found == (entry, int(1001.0 + later) - 1000, min(found[2], 0) or heard.steady_s)
        if heard.refresh:
            shelf.put_off(KEY, entry, found[1])
            plain.put_off(Q, FLAGS, "", 1001.0 + later)
            assert compiled._data.get(KEY) == plain._data.get(KEY)
    else:
        assert failed


def test_an_answer_ends_a_failure() -> None:
    cache = Cache(store=stores.Generations)
    cache.store(Q, FLAGS, "", UpstreamFailure(FailureKind.TIMEOUT), 1000.0)
    shelf = stores.MissStore(cache.stores())
    assert shelf.find(KEY, 1000.0) is False
    cache.store(Q, FLAGS, "", nodata(), 1000.5)
    packed = cache._data.get(KEY)[12:]
    cache.store(Q, FLAGS, "", UpstreamFailure(FailureKind.TIMEOUT), 1001.0)
    assert shelf.keep(KEY, packed, 60, 1001.0)
    assert shelf.find(KEY, 1001.0) == (cache._data.get(KEY), 0, 55)


@given(st.integers(0, 400), st.booleans())
def test_the_shelf_leaves_to_the_cache_a_name_that_does_not_exist(later: int, data_too: bool) -> None:
    cache = Cache(store=stores.Generations)
    if data_too:
        cache.store(Q, FLAGS, "", answer("w 200 A 192.0.2.1"), 1000.0)
    cache.store(Question(Q.name, RRType.AAAA), FLAGS, "", nxdomain(300, 300), 1001.0)
    found = stores.MissStore(cache.stores()).find(KEY, 1001.0 + later)
    heard = cache.lookup(Q, FLAGS, "", 1001.0 + later)
    assert (type(found) is tuple) == (heard is not None and heard.outcome.rcode == 0)
    assert found is not None
