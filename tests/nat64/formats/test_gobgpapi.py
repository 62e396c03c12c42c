"""The messages of GoBGP's API; answers were captured from gobgpd 3.10.0 and 4.8.0, one message a line, in hex."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun_nat64.formats import gobgpapi
from kun_nat64.formats.gobgpapi import V3, V4, Dialect
from kun_nat64.formats.protobuf import Message, fields, message, number, numbers, text
from kun_nat64.formats.table import FormatError
from kun_nat64.model.facts import BgpPath
from tests.nat64.formats.golden import golden

VERSIONS = [("3.10.0", V3), ("4.8.0", V4)]
BOTH = pytest.mark.parametrize(("version", "dialect"), VERSIONS, ids=["3.10.0", "4.8.0"])
VIP = BgpPath(IPv4Network("203.0.113.1/32"), IPv4Address("10.2.1.2"), 10, ("64512:100", "65535:0"))
SIX = BgpPath(IPv6Network("2002:cb00:7101::/48"), IPv6Address("fd00::2"), None)


def answers(version: str, name: str) -> list[bytes]:
    return [bytes.fromhex(line) for line in golden(f"gobgp-{version}-api-{name}.hex").splitlines()]


@BOTH
def test_paths_that_we_injected_are_read_back_with_all_attributes(version: str, dialect: Dialect) -> None:
    found = [p for a in answers(version, "paths-ipv4") for p in gobgpapi.read_paths(dialect, a, "10.2.1.2")]
    assert gobgpapi.FoundPath(VIP, local=True) in found


@BOTH
def test_paths_that_the_peer_sent_are_not_ours(version: str, dialect: Dialect) -> None:
    found = [p for a in answers(version, "paths-ipv4") for p in gobgpapi.read_paths(dialect, a, "10.2.1.2")]
    assert {path.local for path in found} == {True, False}
    assert any(str(path.path.prefix).startswith("198.18.") for path in found if not path.local)


@BOTH
def test_an_ipv6_path_has_its_next_hop_in_mp_reach_and_may_have_no_med(version: str, dialect: Dialect) -> None:
    (answer,) = answers(version, "paths-ipv6")
    assert gobgpapi.read_paths(dialect, answer, "10.2.1.2") == [gobgpapi.FoundPath(SIX, local=True)]


@BOTH
def test_what_goes_to_a_neighbour_is_listed(version: str, dialect: Dialect) -> None:
    assert "203.0.113.1/32" in set(map(gobgpapi.read_prefix, answers(version, "adj-out")))


@BOTH
def test_a_neighbour_is_read(version: str, dialect: Dialect) -> None:
    (neighbour,) = map(gobgpapi.read_peer, answers(version, "peers"))
    assert neighbour.address == "127.0.0.1"
    assert neighbour.asn in (65000, 65001)
    assert (neighbour.state, neighbour.established, neighbour.hold_s) == ("established", True, 9)


@BOTH
def test_a_path_that_is_added_reads_as_itself(version: str, dialect: Dialect) -> None:
    """The request's path, wrapped as the speaker would answer it."""
    for path in (VIP, SIX):
        sent = Message(gobgpapi.add_path(dialect, path)).raw(3)
        answer = message(1, text(1, str(path.prefix)) + message(2, sent))
        assert gobgpapi.read_paths(dialect, answer, "10.2.1.2") == [gobgpapi.FoundPath(path, local=True)]


def test_the_global_table_has_another_number_in_version_4() -> None:
    assert Message(gobgpapi.add_path(V3, VIP)).number(1) == 0
    assert Message(gobgpapi.add_path(V4, VIP)).number(1) == 1
    assert Message(gobgpapi.list_paths(V3, 4, "10.2.1.1")).number(1) == 3
    assert Message(gobgpapi.list_paths(V4, 4, "10.2.1.1")).number(1) == 4


@given(st.integers(1, 2**64 - 1), st.integers(1, 2**29 - 1))
def test_numbers_round_trip(value: int, field: int) -> None:
    assert list(fields(number(field, value))) == [(field, value)]


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1))
def test_packed_numbers_round_trip(values: list[int]) -> None:
    assert Message(numbers(1, tuple(values))).numbers(1) == tuple(values)


def test_numbers_one_by_one_are_read_like_packed_ones() -> None:
    assert Message(number(1, 7) + number(1, 300)).numbers(1) == (7, 300)


@given(st.binary(max_size=80))
def test_no_bytes_make_a_reader_fail_in_another_way(data: bytes) -> None:
    for dialect in (V3, V4):
        for read in (lambda d, each=dialect: gobgpapi.read_paths(each, d, "10.2.1.2"), gobgpapi.read_peer):
            try:
                read(data)
            except FormatError:
                continue


@BOTH
def test_an_answer_cut_off_anywhere_is_garbage_or_less_but_no_crash(version: str, dialect: Dialect) -> None:
    whole = answers(version, "paths-ipv4")[0]
    for length in range(len(whole)):
        try:
            gobgpapi.read_paths(dialect, whole[:length], "10.2.1.2")
        except FormatError:
            continue
