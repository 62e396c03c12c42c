"""The compiled stores say what the plain ones say, call by call."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun_dns64.cache.answers import Cache, key_of
from kun_dns64.cache.generations import Generations
from kun_dns64.model.question import Question, RRType
from kun_dns64.model.step import AskedFlags, FailureKind, UpstreamFailure

from ..world import answer, nodata, nxdomain

stores = pytest.importorskip(
    "kun_dns64.fastpath.stores", reason="kun_dns64.fastpath.stores is not compiled (make venv)"
)

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
def test_generations_are_twins(calls: list[Any], entries: int, octets: int, weigh: Any) -> None:
    plain: Generations[bytes] = Generations(entries, octets, weigh)
    compiled = stores.Generations(entries, octets, weigh)
    for name, *arguments in calls:
        said = [getattr(store, name)(*arguments) for store in (plain, compiled)]
        assert said[0] == said[1], name
        assert (plain._young, plain._old, plain.octets) == (compiled._young, compiled._old, compiled.octets)


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
