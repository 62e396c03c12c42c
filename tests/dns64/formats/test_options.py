"""EDNS options: cookies between replicas (RFC 7873, 9018) and client subnet (RFC 7871)."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun_dns64.formats.client_subnet import read_subnet, write_subnet
from kun_dns64.formats.cookies import CookieState, answering_cookie, check_cookie, cookie_data, server_cookie
from kun_dns64.formats.siphash import siphash24
from kun_dns64.model.message import Edns, Query
from kun_dns64.model.question import NO_QUESTION

SECRET = bytes.fromhex("e5e973e5a6b2a43f48e7dc849e37bfcf")
CLIENT_COOKIE = bytes.fromhex("2464c4abcf10c957")
SOURCE = IPv4Address("198.51.100.100")
NOW = 1559731985


def test_siphash_reference_vector() -> None:
    assert siphash24(bytes(range(16)), bytes(range(15))) == (0xA129CA6149BE45E5).to_bytes(8, "little")
    assert siphash24(bytes(range(16)), b"") == (0x726FDB47DD0E0E31).to_bytes(8, "little")


@pytest.mark.parametrize(
    ("client", "source", "secret", "now", "want"),
    [
        ("2464c4abcf10c957", "198.51.100.100", SECRET.hex(), NOW, "010000005cf79f111f8130c3eee29480"),
        ("fc93fc62807ddb86", "203.0.113.203", SECRET.hex(), 1559734700, "010000005cf7a9acf73a7810aca2381e"),
        (
            "22681ab97d52c298",
            "2001:db8:220:1:59de:d0f4:8769:82b8",
            "445536bcd2513298075a5d379663c962",
            1559741961,
            "010000005cf7c609a6bb79d16625507a",
        ),
    ],
    ids=["rfc9018-a.1", "rfc9018-a.3", "rfc9018-a.4"],
)
def test_rfc_9018_vectors(client: str, source: str, secret: str, now: int, want: str) -> None:
    assert server_cookie(bytes.fromhex(client), ip_address(source), bytes.fromhex(secret), now).hex() == want


def asking(cookie: bytes | None, source: IPv4Address | IPv6Address = SOURCE) -> Query:
    options = () if cookie is None else ((10, cookie),)
    return Query(1, NO_QUESTION, edns=Edns(1232, options=options), source=source)


def made(at: int, secret: bytes = SECRET) -> bytes:
    return CLIENT_COOKIE + server_cookie(CLIENT_COOKIE, SOURCE, secret, at)


@pytest.mark.parametrize(
    ("query", "want"),
    [
        (asking(None), CookieState.NONE),
        (asking(CLIENT_COOKIE), CookieState.CLIENT_ONLY),
        (asking(made(NOW)), CookieState.VALID),
        (asking(made(NOW - 3600)), CookieState.VALID),
        (asking(made(NOW - 3601)), CookieState.BAD),
        (asking(made(NOW + 300)), CookieState.VALID),
        (asking(made(NOW + 301)), CookieState.BAD),
        (asking(made(NOW, bytes(16))), CookieState.BAD),
        (asking(made(NOW), IPv4Address("198.51.100.101")), CookieState.BAD),
        (asking(CLIENT_COOKIE + bytes(8)), CookieState.BAD),
        (asking(CLIENT_COOKIE + bytes(32)), CookieState.BAD),
    ],
)
def test_what_a_cookie_proves(query: Query, want: CookieState) -> None:
    assert check_cookie(query, (SECRET,), NOW) is want


def test_the_other_replica_and_the_older_secret_are_honoured() -> None:
    assert check_cookie(asking(made(NOW)), (bytes(16), SECRET), NOW) is CookieState.VALID


def test_a_young_cookie_goes_back_and_an_old_one_is_renewed() -> None:
    young = made(NOW - 1799)
    assert answering_cookie(young, SOURCE, (SECRET,), NOW) == young
    assert answering_cookie(made(NOW - 1800), SOURCE, (SECRET,), NOW) == made(NOW)
    assert answering_cookie(CLIENT_COOKIE, SOURCE, (SECRET,), NOW) == made(NOW)
    assert answering_cookie(made(NOW, SECRET), SOURCE, (bytes(16), SECRET), NOW) == made(NOW, bytes(16))


def test_a_query_has_a_cookie_or_none() -> None:
    assert cookie_data(asking(CLIENT_COOKIE)) == CLIENT_COOKIE
    assert cookie_data(asking(None)) is None


def test_the_clock_may_wrap() -> None:
    wrapped = 1 << 32
    query = asking(CLIENT_COOKIE + server_cookie(CLIENT_COOKIE, SOURCE, SECRET, wrapped - 10))
    assert check_cookie(query, (SECRET,), wrapped + 10) is CookieState.VALID


@given(st.ip_addresses(), st.integers(1, 32))
def test_client_subnet_round_trip(address: IPv4Address | IPv6Address, length: int) -> None:
    network = ip_network((address.packed, length), strict=False)
    assert read_subnet(write_subnet(network)) == network


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00\x01\x18",
        b"\x00\x01\x21\x00abcde",
        b"\x00\x01\x18\x00ab",
        b"\x00\x01\x18\x00abcd",
        b"\x00\x01\x18\x01abc",
        b"\x00\x01\x17\x00\x0a\x00\x01",
        b"\x00\x01\x00\x00a",
    ],
    ids=["empty", "cut", "too-long", "short", "long", "scope", "bits-beyond", "bytes-for-nobody"],
)
def test_what_section_6_forbids_is_an_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_subnet(data)


@pytest.mark.parametrize("data", [b"\x00\x01\x00\x00", b"\x00\x02\x00\x00", b"\x00\x03\x18\x00abc"])
def test_what_names_nobody_is_none(data: bytes) -> None:
    assert read_subnet(data) is None
