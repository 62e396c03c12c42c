"""What the wire cache must not answer: other rules, strangers, malformed packets, packets that only look alike."""

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun_dns64.cache.reply_store import RULES
from kun_dns64.formats.reply_key import memo_key
from kun_dns64.model.message import Transport
from kun_dns64.model.question import Question, RRType
from kun_dns64.model.step import AskedFlags

from ..world import key, rules
from .memoworld import OTHER, RULE_SETS, SOURCES, UPSTREAM, Server, packet


def test_new_rules_void_the_memo() -> None:
    server = Server(RULE_SETS["usual"])
    server.compare(packet(), SOURCES[0], Transport.UDP, 1000)
    fresh = server.wirecache.memos(rules(prefixes=(OTHER,)), server.bake)
    assert fresh.of(SOURCES[0], Transport.UDP).quick(packet(), 1000, "2001:db8::1") is None


def test_strangers_leave_no_trace() -> None:
    server = Server(RULE_SETS["usual"])
    assert not server.compare(packet(), SOURCES[5], Transport.UDP, 1000)
    assert not server.compare(packet(), SOURCES[5], Transport.UDP, 1000)
    assert len(server.wirecache) == 0


def test_types_that_look_alike_without_case_are_kept_apart() -> None:
    server = Server(RULE_SETS["usual"])
    server.compare(packet("plain", "HTTPS"), SOURCES[0], Transport.UDP, 1000)
    wire = packet("plain", "HTTPS").replace(b"\x00\x41\x00\x01", b"\x00\x61\x00\x01")
    assert server.memos.of(SOURCES[0], Transport.UDP).quick(wire, 1000, "2001:db8::1") is None


def test_a_name_that_holds_the_bytes_of_options_is_another_name() -> None:
    """A label may hold a zero byte, a question's tail and the head of an OPT record."""
    inside = b"\x00\x00\x1c\x00\x01\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x09"
    label = b"plain" + inside + b"\x00\x03\x00\x05hello"
    wire = (
        packet()[:2]
        + b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01"
        + bytes((len(label),))
        + label
        + b"\x00\x00\x1c\x00\x01"
    )
    assert memo_key(wire + b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00") is None


@pytest.mark.parametrize("tail", [b"\xff\x00", b"\xff\x01", b"\xff\xff", b"\x00\x01", b""])
@pytest.mark.parametrize("options", [((10, bytes(8)),), ((3, b""),), ()])
def test_a_malformed_option_length_never_spells_the_key_of_another_packet(
    tail: bytes, options: tuple[tuple[int, bytes], ...]
) -> None:
    """Found by mutation: an OPT that announces 0xff00 bytes and ends there had the key of one with options."""
    server = Server(RULE_SETS["usual"])
    server.compare(packet(options=options), SOURCES[0], Transport.UDP, 1000)
    malformed = packet()[:-2] + tail
    assert server.memos.of(SOURCES[0], Transport.UDP).quick(malformed, 1000, "2001:db8::1") is None


@contextmanager
def bytes_kept() -> Iterator[list[int]]:
    """Filled at the end with what has been allocated inside and is there still."""
    found: list[int] = []
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        yield found
        found.append(tracemalloc.get_traced_memory()[0] - before)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("compiled", [False, True], ids=["python", "compiled"])
def test_what_is_kept_for_the_second_does_not_grow_with_the_number_of_sources(compiled: bool) -> None:
    """A pod takes a new address of its /64 for every query as it likes, and so does who forges them."""
    server = Server(RULE_SETS["usual"])
    if compiled and server.desk is None:
        pytest.skip("nothing is compiled here")
    wires = [packet("plain", payload=512 + size) for size in range(300)]
    for wire in wires:
        server.compare(wire, SOURCES[0], Transport.UDP, 1000)

    def ask_from(first: int, last: int) -> None:
        for number in range(first, last):
            source = str(IPv6Address(int(SOURCES[0]) + number))
            memo = server.memos.of(ip_address(source), Transport.UDP)
            for wire in wires:
                assert (server.desk.at if compiled and server.desk else memo.quick)(wire, 1001, source) is not None

    with bytes_kept() as of_one:
        ask_from(0, 1)
    with bytes_kept() as of_the_others:
        ask_from(1, 41)
    assert of_one[0] > 300 * 100, "replies are kept for the second"
    assert of_the_others[0] < of_one[0]


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_memo(wire: bytes) -> None:
    server = Server(RULE_SETS["usual"])
    for begin in (b"", packet()[:12]):
        for one in (server.memos.of(SOURCES[0], Transport.UDP), server.memos.of(SOURCES[4], Transport.TLS)):
            assert one.quick(begin + wire, 1000, "2001:db8::1") is None


@given(st.integers(0, 60), st.binary(min_size=1, max_size=4))
def test_a_changed_packet_is_never_taken_for_a_kept_one(place: int, raw: bytes) -> None:
    server = Server(RULE_SETS["usual"])
    wire = packet(options=((10, bytes(8)),))
    server.compare(wire, SOURCES[0], Transport.UDP, 1000)
    changed = wire[:place] + raw + wire[place + len(raw) :]
    quick = server.memos.of(SOURCES[0], Transport.UDP).quick(changed, 1000, "2001:db8::1")
    if quick is not None:
        general = server.general(changed, SOURCES[0], Transport.UDP, 1000)
        assert general is not None
        assert quick == general[0]


def test_hits_are_counted_by_rule() -> None:
    server = Server(RULE_SETS["usual"])
    for _ in range(4):
        server.compare(packet(), SOURCES[0], Transport.UDP, 1000)
    counts = {RULES[place].value: cell[0] for place, cell in enumerate(server.wirecache.hits) if cell[0]}
    assert counts == {"synthesised-nodata": 3}


@pytest.mark.parametrize("qtype", ["AAAA", "A"])
def test_a_stale_reply_stands_for_the_rest_of_its_second(qtype: str) -> None:
    server, wire, source = Server(rules()), packet(qtype=qtype), SOURCES[0]
    server.compare(wire, source, Transport.UDP, 1000.0)
    server.upstream_down = True
    # Long after its end: the upstream is asked in vain, then the cache says stale and the memo keeps that.
    times = [1500.0, 1500.1, 1500.2, 1500.9, 1501.0, 1501.1, 1501.2]
    kept = [server.compare(wire, source, Transport.UDP, now) for now in times]
    assert kept == [False, False, True, True, False, True, True]
    server.upstream_down = False
    for rtype in (RRType.AAAA, RRType.A):
        question = Question(wire[12:-15], rtype)
        server.cache.store(question, AskedFlags(), "", UPSTREAM[key(question)], 1502.0)
    assert not server.compare(wire, source, Transport.UDP, 1502.0)
    fresh = server.general(wire, source, Transport.UDP, 1502.0)
    assert fresh is not None
    assert not fresh[1].stale
