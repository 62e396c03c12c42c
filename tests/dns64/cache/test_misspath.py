"""The miss path says what the general path says, byte for byte, keeps the same, and hands over all it does not know.

Both get the same query and the same upstream packets, whole ones of every shape and damaged ones. What the cache has,
or somebody else has asked, is in test_misspath_waiting.py.
"""

import asyncio
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kun_dns64.cache.answers import Cache
from kun_dns64.fastpath.selection import choose_parts
from kun_dns64.formats.query import parse_query
from kun_dns64.model.message import Query, Transport
from kun_dns64.model.question import Question

from ..world import rules
from .memoworld import FLAGS, SOURCES, packet
from .missworld import (
    ALL_RULES,
    COOKIE,
    HANDED_OVER,
    NAMES,
    SOURCE,
    Quick,
    compare,
    uncompressed,
    upstream,
)


@pytest.mark.parametrize("under", ALL_RULES)
@pytest.mark.parametrize("name", NAMES)
def test_every_shape_by_both_paths(name: str, under: str) -> None:
    for qtype in ("AAAA", "A"):
        for wire in (
            packet(name, qtype),
            packet(name, qtype, edns=False),
            packet(name, qtype, do=True),
            packet(name, qtype, options=COOKIE, case=0b1011),
            packet(name, qtype, flags=0x0120),
        ):
            for build in (upstream, uncompressed):
                compare(wire, ALL_RULES[under], build)


TAKEN = ["plain AAAA", "plain A", "deep AAAA", "deep A", "real AAAA", "old AAAA", "crowd AAAA", "minimum AAAA"]


@pytest.mark.parametrize("asked", TAKEN)
def test_common_shapes_take_the_miss_path(asked: str) -> None:
    name, qtype = asked.split()
    said = compare(packet(name, qtype), rules(), upstream)
    assert isinstance(said, bytes)


UNUSUAL = ["twice A", "same-ns A", "cname AAAA", "mapped AAAA", "bare AAAA", "broken AAAA", "gone AAAA", "denied AAAA"]


@pytest.mark.parametrize("asked", UNUSUAL)
def test_unusual_shapes_are_handed_over(asked: str) -> None:
    name, qtype = asked.split()
    assert compare(packet(name, qtype), rules(), upstream) == HANDED_OVER


@settings(max_examples=300)
@given(
    st.sampled_from(NAMES),
    st.sampled_from(["A", "AAAA", "TXT"]),
    st.sampled_from(FLAGS),
    st.booleans(),
    st.sampled_from([0, 512, 600, 1232, 4096]),
    st.booleans(),
    st.sampled_from([(), COOKIE, ((10, bytes(24)),), ((3, b""),)]),
    st.integers(0, 255),
    st.sampled_from(SOURCES),
    st.sampled_from(list(ALL_RULES)),
    st.sampled_from([512, 1232, 4096]),
    st.booleans(),
)
def test_queries_of_every_kind(
    name: str, qtype: str, flags: int, edns: bool, payload: int, do: bool, options: Any, case: int, source: Any,
    under: str, payload_max: int, compressed: bool,
) -> None:  # fmt: skip
    wire = packet(name, qtype, flags, edns, payload, do, options if edns else (), case, case)
    compare(wire, ALL_RULES[under], upstream if compressed else uncompressed, str(source), payload_max)


@settings(max_examples=600)
@given(
    st.sampled_from(["plain", "deep", "real", "crowd", "minimum"]),
    st.sampled_from(["A", "AAAA"]),
    st.booleans(),
    st.integers(2, 400),
    st.binary(max_size=3),
    st.integers(0, 3),
)
@example("plain", "A", True, 198, b"@", 0)  # a name that runs over the pointer to it, into the OPT
def test_damaged_packets_of_upstreams(
    name: str, qtype: str, compressed: bool, place: int, raw: bytes, cut: int
) -> None:
    """What the general path reads otherwise, or not at all, is handed over."""

    def damaged(asked: bytes, question: Question) -> bytes:
        wire = (upstream if compressed else uncompressed)(asked, question)
        at = place % len(wire) if place % len(wire) > 1 else 2
        if 12 <= at < len(asked) - 11:
            at = len(asked) - 11
        wire = wire[:at] + raw + wire[at + len(raw) :]
        return wire[: len(wire) - cut]

    compare(packet(name, qtype), rules(), damaged)


@given(st.binary(max_size=80))
def test_no_bytes_crash_the_reading_of_queries(wire: bytes) -> None:
    quick = Quick(rules())
    for begin in (b"", packet()[:12], packet()[:31], packet()[:37]):
        query = parse_query(begin + wire, Transport.UDP, ip_address(SOURCE))
        if quick.path.take(begin + wire, SOURCE, lambda _: None):
            assert isinstance(query, Query)


def test_an_answer_with_another_case_is_handed_over() -> None:
    def flipped(asked: bytes, question: Question) -> bytes:
        wire = upstream(asked, question)
        return wire[:13] + bytes((wire[13] ^ 0x20,)) + wire[14:]

    assert compare(packet(), rules(), flipped) == HANDED_OVER


@pytest.mark.parametrize("doubted", [True, False])
def test_an_answer_in_the_case_asked_ends_a_doubt_about_the_upstream(doubted: bool) -> None:
    quick, asked, kept = Quick(rules()), list[bytes](), list[bytes]()
    one = quick.resolver.upstreams.upstream
    one.case_in_doubt, one.kept_case = doubted, kept.append

    def noting(wire: bytes, question: Question) -> bytes:
        asked.append(question.name)
        return upstream(wire, question)

    assert isinstance(quick.ask(packet(), SOURCE, noting), bytes)
    assert kept == (asked if doubted else [])
    assert len(asked) == 2


def test_a_defect_costs_the_short_way_and_not_the_answer() -> None:
    quick = Quick(rules())
    told: list[str] = []
    quick.resolver.defect = lambda error, question: told.append(repr(error))

    def store(most: int, raw: int, weigh: Any) -> Any:
        """It cannot weigh what it is given."""
        return choose_parts().store(most, raw, lambda value: 1 // 0)

    quick.resolver.cache = Cache(store=store)
    quick.renew()
    assert quick.ask(packet(), SOURCE, upstream) == HANDED_OVER
    assert "ZeroDivisionError" in told[0]
    assert not quick.resolver.upstreams.in_flight


async def test_a_question_out_too_long_is_handed_over() -> None:
    quick = Quick(rules())
    quick.start(asyncio.get_running_loop(), 0.02, 0)
    assert quick.path.take(packet(), SOURCE, lambda _: None)
    await asyncio.sleep(0.2)
    assert quick.resumed


@pytest.mark.parametrize("fault", ["ttl", "exclusion", "never"])
def test_the_comparison_notices_a_planted_difference(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each fault is one somebody could make; the comparison above fails on it."""
    from kun_dns64.policy import plain_query as module

    real = module.Plain.__init__

    def planted(self: Any, client: Any, prepared: Any) -> None:
        real(self, client, prepared)
        if fault == "exclusion":
            self.excluded = b""
        elif fault == "never":
            self.never = b""
        elif fault == "ttl":
            self.one = self.one._replace(fixed_s=7)

    monkeypatch.setattr(module.Plain, "__init__", planted)
    name = {"exclusion": "mapped", "never": "denied"}.get(fault, "plain")
    with pytest.raises(AssertionError):
        compare(packet(name), rules(), upstream)
