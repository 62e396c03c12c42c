"""The miss path with answers the cache has, with questions somebody else has put, and with the A asked beside the AAAA.

In all of them the replies and the memo must be what the general path makes of the same packets.
"""

from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kun_dns64.model.question import Question, RRType
from kun_dns64.model.step import AskedFlags, FailureKind, UpstreamFailure

from ..world import answer, rules
from .memoworld import packet
from .missworld import (
    ALL_RULES,
    COOKIE,
    NAMES,
    SOURCE,
    Quick,
    Upstream,
    grow_older,
    question_of,
    uncompressed,
    upstream,
    wire_of,
)
from .waitingworld import Out, Pair, early_in_a_second, within_a_second

A = RRType.A


@pytest.fixture(autouse=True)
def _time_enough() -> None:
    early_in_a_second()


WIRES = st.builds(
    lambda name, qtype, do, edns, options, case, ident: packet(
        name, qtype, 0x0100, edns or do, 1232, do, options if edns or do else (), case, ident
    ),
    st.just("NAME"),
    st.sampled_from(["A", "AAAA"]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([(), COOKIE]),
    st.integers(0, 255),
    st.integers(0, 65535),
)


def named(wire: bytes, name: str, case: int) -> bytes:
    label = "".join(c.upper() if case >> i & 1 else c for i, c in enumerate(name)).encode()
    return wire[:12] + bytes((len(label),)) + label + wire[12 + 1 + 4 :]


@settings(max_examples=400)
@given(
    st.sampled_from(NAMES), WIRES, WIRES, st.integers(0, 255), st.integers(0, 400), st.sampled_from(list(ALL_RULES)),
    st.booleans(),
)  # fmt: skip
def test_what_the_cache_has_is_answered_alike_at_every_age(
    name: str, first: bytes, second: bytes, case: int, age: int, under: str, compressed: bool
) -> None:
    pair = Pair(under, upstream if compressed else uncompressed)
    if isinstance(pair.ask(named(first, name, 0)), bytes):
        pair.grow_older(age)
        pair.ask(named(second, name, case))


@pytest.mark.parametrize(
    ("first", "second", "age", "asked"),
    [
        ("plain AAAA", "plain AAAA", 1, set()),
        ("plain AAAA", "plain A", 1, set()),
        ("plain A", "plain AAAA", 0, {RRType.AAAA}),
        ("plain AAAA", "plain AAAA", 130, {RRType.A}),
        ("real AAAA", "real AAAA", 3, set()),
        ("deep AAAA", "deep A", 60, set()),
    ],
)
def test_only_what_the_cache_lacks_is_asked(first: str, second: str, age: int, asked: set[int]) -> None:
    def attempt() -> Pair | None:
        pair = Pair()
        if not pair.answers(packet(*first.split())):
            return None
        pair.grow_older(age)
        return pair if pair.answers(packet(*second.split())) else None

    assert set(within_a_second(attempt).asked) == asked


def due_pair(wire: bytes, qtype: int, share: float) -> Pair | None:
    """Both paths with all for `wire` in their caches, and the answer to this type this far in the time it is due."""
    pair = Pair()
    if not pair.answers(wire):
        return None
    found = pair.quick.resolver.cache._data._young
    (stamp,) = [entry[:12] for key, entry in found.items() if int.from_bytes(key[-5:-3]) == qtype]
    due, lifetime = int.from_bytes(stamp[8:]), int.from_bytes(stamp[4:8])
    pair.grow_older(due + int(share * (lifetime - 1 - due)))
    return pair


@pytest.mark.parametrize("share", [0, 1])
@pytest.mark.parametrize(
    ("wire", "anew"),
    [
        (packet("real"), {RRType.AAAA}),
        (packet("lean", "A"), {RRType.A}),
        (packet("lean"), {RRType.A}),
        (packet("minimum"), {RRType.AAAA}),
    ],
    ids=["AAAA", "A", "A behind a denial", "denial"],
)
def test_what_is_due_is_answered_at_once_and_fetched_anew_once(wire: bytes, anew: set[int], share: float) -> None:
    (qtype,) = anew

    def attempt() -> Pair | None:
        pair = due_pair(wire, qtype, share)
        if pair is None or not pair.answers(wire):
            return None
        assert set(pair.asked) == anew
        assert pair.quick.path.refreshed == 1
        assert pair.quick.path.late == 0
        return pair if pair.answers(wire) else None

    assert within_a_second(attempt).quick.path.refreshed == 1


def test_without_room_what_is_due_is_the_memos_until_the_next_tick() -> None:
    def attempt() -> Pair | None:
        pair = due_pair(packet("lean", "A"), RRType.A, 0.5)
        if pair is None:
            return None
        pair.quick.room = False
        return pair if pair.answers(packet("lean", "A", ident=9)) else None

    pair = within_a_second(attempt)
    assert not pair.asked
    assert pair.quick.path.refreshed == 0


def test_while_it_is_fetched_anew_the_cache_answers_and_who_finds_it_ended_waits() -> None:
    out = Out()
    out.take(packet("lean", "A"))
    out.answer(A)
    grow_older(out.quick.resolver.cache, 95)
    out.take(packet("lean", "A", ident=9), packet("lean", "A", ident=10))
    assert out.out() == [RRType.A]
    assert [len(said) for said in out.said] == [1, 1, 1]
    grow_older(out.quick.resolver.cache, 95)
    out.take(packet("lean", "A", ident=11), packet("lean", "A", ident=12))
    assert [len(said) for said in out.said] == [1, 1, 1, 0, 0]
    assert out.quick.resolver.upstreams.coalesced == 2
    out.answer(A)
    assert [len(said) for said in out.said] == [1, 1, 1, 1, 1]
    assert out.said[4][0][2:] == out.said[0][0][2:]
    assert out.quick.path.pending == 0


def test_a_question_out_the_general_way_is_not_needed_while_the_cache_has_the_answer() -> None:
    out = Out()
    out.take(packet("lean", "A"))
    (key,) = out.quick.resolver.upstreams.in_flight
    out.answer(A)
    out.quick.resolver.upstreams.in_flight[key] = object()
    grow_older(out.quick.resolver.cache, 95)
    out.take(packet("lean", "A", ident=9))
    assert len(out.said[1]) == 1
    assert out.quick.path.refreshed == 0


def test_what_failed_is_left_to_the_general_path() -> None:
    failed = Quick(rules())
    failure = UpstreamFailure(FailureKind.TIMEOUT)
    question = question_of(packet("plain", "A"))
    failed.resolver.cache.store(question, AskedFlags(), "", failure, monotonic())
    assert failed.ask(packet("plain", "A"), SOURCE, upstream) is None
    assert failed.path.pending == 0


def test_equal_questions_of_several_queries_are_asked_once() -> None:
    out = Out()
    out.take(packet(), packet(ident=9, case=0b101), packet(ident=10, options=COOKIE), packet(ident=11, edns=False))
    assert out.out() == [RRType.AAAA]
    out.answer(RRType.AAAA)
    assert out.out() == [RRType.A]
    out.answer(RRType.A)
    out.compare()
    assert out.quick.resolver.upstreams.coalesced == 6


@pytest.mark.parametrize("order", [(RRType.A, RRType.AAAA), (RRType.AAAA, RRType.A)], ids=["A first", "AAAA first"])
def test_a_and_aaaa_asked_at_once_share_the_a(order: tuple[int, int]) -> None:
    out = Out()
    out.take(packet(qtype="A"), packet(ident=9))
    assert out.out() == [RRType.A, RRType.AAAA]
    for qtype in order:
        out.answer(qtype)
    out.compare()


@pytest.mark.parametrize("first", [RRType.A, RRType.AAAA])
@pytest.mark.parametrize("name", ["plain", "deep", "real", "old", "minimum", "crowd"])
def test_the_a_asked_beside_a_slow_aaaa_serves_when_that_is_denied(name: str, first: int) -> None:
    out = Out()
    out.take(packet(name))
    out.stagger()
    assert out.out() == [RRType.A, RRType.AAAA]
    assert out.quick.path.staggered == 1
    out.answer(first)
    for left in out.out():
        out.answer(left)
    if out.quick.handed_over:
        assert name == "real", "only an A that is denied is beyond the miss path here"
        return
    out.compare()


def test_an_a_asked_by_two_is_asked_once_although_one_asks_beside_its_aaaa() -> None:
    out = Out()
    out.take(packet("plain"), packet("plain", "A", ident=9))
    out.stagger()
    out.answer(RRType.AAAA)
    out.answer(RRType.A)
    out.compare()
    assert out.quick.path.late == 0


def test_an_a_that_comes_after_the_real_aaaa_goes_to_the_cache() -> None:
    def build(sent: bytes, question: Question) -> bytes:
        return wire_of(sent, answer("real 100 A 192.0.2.7")) if question.qtype == A else upstream(sent, question)

    out = Out(build)
    out.take(packet("real"))
    out.stagger()
    out.answer(RRType.AAAA)
    assert out.said[0]
    out.answer(A)
    assert out.quick.path.late == 1
    assert not out.quick.handed_over
    found = out.quick.resolver.cache.lookup(question_of(packet("real", "A")), AskedFlags(), "", monotonic())
    assert found.outcome.answer[0].rdata == bytes((192, 0, 2, 7))
    out.compare()


def test_no_second_question_is_put_for_what_is_answered_or_denied() -> None:
    out = Out()
    out.take(packet("plain"))
    out.answer(RRType.AAAA)
    out.stagger()
    assert out.out() == [RRType.A]
    out.answer(RRType.A)
    out.stagger()
    assert out.out() == []
    assert out.quick.path.staggered == 0
    out.compare()


def test_an_odd_answer_hands_over_all_that_wait_for_it_once() -> None:
    out = Out()
    resumed: list[bytes] = []
    out.quick._resumed = lambda wire, *_: resumed.append(wire)
    out.quick.start(SimpleNamespace(call_later=lambda delay, call: None))
    out.take(packet("cname"), packet("cname", ident=9), packet("cname", "A", ident=10))
    out.answer(RRType.AAAA)
    assert resumed == out.wires[:2]
    assert out.quick.resolver.upstreams.adopted
    assert out.quick.path.pending == 1


def test_a_question_the_general_path_wants_too_is_handed_over_with_all_that_wait() -> None:
    out = Out()
    out.take(packet(), packet(ident=9))
    (flight,) = out.quick.resolver.upstreams.in_flight.values()
    flight.general()
    assert out.quick.resumed
    assert out.quick.path.pending == 0


def test_a_question_out_the_general_way_is_not_joined() -> None:
    quick = Quick(rules())
    assert quick.path.take(packet(), SOURCE, lambda _: None)
    (key,) = quick.resolver.upstreams.in_flight
    quick.resolver.upstreams.in_flight[key] = object()
    assert not quick.path.take(packet(ident=9), SOURCE, lambda _: None)


def test_the_comparison_notices_an_answer_of_another_age() -> None:
    def attempt() -> bool | None:
        pair = Pair()
        if not pair.answers(packet()):
            return None
        grow_older(pair.quick.resolver.cache, 7)
        with suppress(AssertionError):
            return None if pair.ask(packet(ident=9)) is None else False
        return True

    assert within_a_second(attempt)


def test_the_comparison_notices_a_reply_in_the_case_of_another_query() -> None:
    out = Out()
    out.take(packet(), packet(ident=9, case=0b101))
    out.answer(RRType.AAAA)
    out.answer(A)
    out.said[1][0] = out.said[0][0]
    with pytest.raises(AssertionError):
        out.compare()


def test_questions_of_one_turn_that_share_a_port_leave_together() -> None:
    shared, wires = Upstream(), [packet("plain"), packet("lean"), packet("real")]
    for _ in range(5000):
        # Of an hour ahead, so that no port is new any more.
        shared.pool.port(monotonic() + 3600)

    def attempt() -> bool | None:
        began, out = int(monotonic()), Out()
        soon: list[Callable[[], None]] = []
        asked: dict[bytes, dict[int, bytes]] = {}
        out.quick.resolver.upstreams.upstream = shared.begin()
        out.quick.start(SimpleNamespace(call_later=lambda delay, call: None, call_soon=soon.append), longest_s=9.0)
        out.take(*wires)
        assert not shared.sent()
        while soon:
            soon.pop()()
            sent = shared.sent()
            assert len([port for port in shared.pool.ports.values() if port.out]) <= 1
            for wire in sent:
                question = question_of(wire)
                asked.setdefault(question.name.lower(), {})[question.qtype] = wire
                shared.out[int.from_bytes(wire[:2])].received(upstream(wire, question))
        if int(monotonic()) != began:
            return None
        for wire, (reply,) in zip(wires, out.said, strict=True):
            general = out.pair.general.ask(wire, SOURCE, upstream, asked[question_of(wire).name.lower()])
            assert reply.hex() == general.hex()
        return len(asked) == len(wires)

    assert within_a_second(attempt)
