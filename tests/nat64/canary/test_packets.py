from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun_nat64.formats import dnsprobe, icmp6

OWN, TARGET = IPv6Address("2002:aff:fffe:6b75:6e36::2"), IPv6Address("2002:cb00:7101::c633:6451")


def error(kind: int, code: int, next_header: int = 58) -> bytes:
    """An ICMPv6 error (RFC 4443 section 3) that quotes a packet from OWN to TARGET."""
    quoted = bytes([0x60, 0, 0, 0, 0, 8, next_header, 64]) + OWN.packed + TARGET.packed
    return bytes([kind, code, 0, 0, 0, 0, 0, 0]) + quoted + bytes(8)


def test_an_echo_reply_is_matched_by_identifier_and_sequence() -> None:
    reply = bytes([icmp6.ECHO_REPLY, 0, 0, 0]) + b"\x6b\x75\x00\x07" + b"data"
    assert icmp6.parse(reply) == icmp6.Echo(0x6B75, 7)


@pytest.mark.parametrize(("kind", "code"), [(1, 0), (1, 3), (1, 4), (3, 0)])
def test_an_error_tells_what_it_is_about(kind: int, code: int) -> None:
    assert icmp6.parse(error(kind, code, 6)) == icmp6.Error(kind, code, OWN, TARGET, 6)


@pytest.mark.parametrize("data", [b"", b"\x81", bytes([2, 0]) + bytes(60), error(1, 0)[:47], bytes([135]) + bytes(40)])
def test_what_is_none_of_ours_is_left_out(data: bytes) -> None:
    assert icmp6.parse(data) is None


@given(st.binary(max_size=200))
def test_no_bytes_break_the_parsers(data: bytes) -> None:
    icmp6.parse(data)
    dnsprobe.answer_ident(data)


def test_the_filter_lets_only_wanted_types_in() -> None:
    mask = icmp6.filter_mask()
    passing = {kind for kind in range(256) if not mask[kind // 8] >> kind % 8 & 1}
    assert passing == set(icmp6.WANTED_TYPES)


@pytest.mark.parametrize(
    ("name", "encoded", "qtype"),
    [
        ("www.example.org", b"\3www\7example\3org\0", 1),
        ("www.example.org.", b"\3www\7example\3org\0", 1),
        ("", b"\0", 2),
    ],
)
def test_a_question_asks_for_one_name(name: str, encoded: bytes, qtype: int) -> None:
    packet = dnsprobe.question(0x1234, name)
    assert packet == b"\x12\x34\x01\x00\x00\x01" + bytes(6) + encoded + bytes([0, qtype, 0, 1])


@pytest.mark.parametrize("name", ["a" * 64 + ".org", ".".join(["a" * 60] * 5)])
def test_a_name_that_is_too_long_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="too long"):
        dnsprobe.question(1, name)


def test_only_responses_count_as_answers() -> None:
    asked = dnsprobe.question(77, "example.org")
    assert dnsprobe.answer_ident(asked) is None
    assert dnsprobe.answer_ident(asked[:2] + b"\x81\x85" + asked[4:]) == 77, "even REFUSED came all the way back"
