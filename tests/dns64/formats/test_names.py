"""Names between wire and text (RFC 1035 sections 3.1 and 5.1)."""

import dns.name
import pytest
from hypothesis import given

from kun_dns64.formats import names

from .packets import wire_names


@given(wire_names())
def test_text_and_back(name: bytes) -> None:
    assert names.from_text(names.to_text(name)) == name


@given(wire_names())
def test_dnspython_reads_our_text_alike(name: bytes) -> None:
    assert dns.name.from_text(names.to_text(name)).to_wire() == name


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        ("", b"\x00"),
        (".", b"\x00"),
        ("a", b"\x01a\x00"),
        ("a.b.", b"\x01a\x01b\x00"),
        (r"\000\.x\255.t", b"\x04\x00.x\xff\x01t\x00"),
        (r"a\@b", b"\x03a@b\x00"),
    ],
)
def test_text_forms(text: str, wire: bytes) -> None:
    assert names.from_text(text) == wire


@pytest.mark.parametrize(
    "text", ["a..b", ".a", "a" * 64, ".".join(["a" * 60] * 5), r"a\256", r"a\1", r"a\12x", "a\\", "münchen.de", "ü\\."]
)
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        names.from_text(text)


def test_longest_name() -> None:
    longest = ".".join(["a" * 63] * 3 + ["a" * 61])
    assert len(names.from_text(longest)) == 255
    with pytest.raises(ValueError, match="255"):
        names.from_text(longest + "a")


def test_suffixes_walk_to_the_root() -> None:
    assert list(names.suffixes(b"\x01a\x01b\x00")) == [b"\x01a\x01b\x00", b"\x01b\x00", b"\x00"]


def test_reverse_names() -> None:
    assert names.to_text(names.in_addr_arpa(bytes((192, 0, 2, 33)))) == "33.2.0.192.in-addr.arpa."
    assert names.to_text(names.nibbles_reversed(b"\x20\x02\xc6") + names.IP6_ARPA) == "6.c.2.0.0.2.ip6.arpa."
