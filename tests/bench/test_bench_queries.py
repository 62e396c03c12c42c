"""Zone, query files and cookies, checked with dnspython as the second opinion."""

import random
from ipaddress import IPv4Address, IPv6Address

import dns.edns
import dns.message
import dns.rdatatype
import dns.zone
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import queries
from bench.names import FIRST, PREFIX, ZONE, name_of, names, shuffled, suffix_list, synthesised, zone_file
from bench.process import BenchError
from bench.wire import first_address


def unframed(data: bytes) -> list[bytes]:
    found = []
    while data:
        length = int.from_bytes(data[:2], "big")
        found.append(data[2 : 2 + length])
        data = data[2 + length :]
    return found


def test_zone_file_is_a_zone_with_only_a_records() -> None:
    zone = dns.zone.from_text("\n".join(zone_file(50)), origin=ZONE)
    hosts = [name for name, _ in zone.iterate_rdatasets(dns.rdatatype.A)]
    assert len(hosts) == 52
    assert not list(zone.iterate_rdatasets(dns.rdatatype.AAAA))


@given(st.integers(0, 10**6 - 1), st.booleans())
def test_query_is_one_aaaa_question(index: int, edns: bool) -> None:
    message = dns.message.from_wire(queries.query(name_of(index), queries.opt_record() if edns else b""))
    question = message.question[0]
    assert (str(question.name), question.rdtype) == (name_of(index), dns.rdatatype.AAAA)
    assert message.edns == (0 if edns else -1)


def test_opt_record_carries_the_cookie() -> None:
    message = dns.message.from_wire(queries.query(FIRST, queries.opt_record(b"12345678")))
    assert [(option.otype, option.to_wire()) for option in message.options] == [
        (dns.edns.OptionType.COOKIE, b"12345678")
    ]
    assert message.payload == 1232


@given(st.lists(st.binary(min_size=1, max_size=60), max_size=20))
def test_framing_is_undone_by_reading_lengths(wires: list[bytes]) -> None:
    assert unframed(queries.framed(wires)) == wires


@given(st.integers(0, 2**32))
def test_drawn_case_keeps_the_name(seed: int) -> None:
    assert queries.random_case(FIRST, random.Random(seed)).lower() == FIRST


def test_mixed_asks_each_fresh_name_once_and_the_hot_ones_nine_times_as_often() -> None:
    mix = queries.Mix(hot=names(100), fresh=names(200, 1000))
    cookies = [b"client-1", b"client-2"]
    asked = [dns.message.from_wire(wire) for wire in queries.mixed(mix, cookies, seed=7)]
    plain = [str(message.question[0].name).lower() for message in asked]
    assert len(plain) == 2000
    assert sorted(name for name in plain if name in set(mix.fresh)) == sorted(mix.fresh)
    assert sum(name in set(mix.hot) for name in plain) == 1800
    assert {message.options[0].to_wire() for message in asked} == set(cookies)
    assert any(str(message.question[0].name) != name for message, name in zip(asked, plain, strict=True))


def test_mixed_is_the_same_for_the_same_seed_only() -> None:
    mix = queries.Mix(hot=names(10), fresh=names(20, 100))
    first, again, other = (list(queries.mixed(mix, [b"12345678"], seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize("server_part", [b"", b"S" * 8, b"S" * 16, b"S" * 32], ids=["none", "least", "rfc9018", "most"])
def test_server_cookie_is_found_in_a_response(server_part: bytes) -> None:
    client = b"kun-0001"
    response = dns.message.make_response(dns.message.make_query(FIRST, "AAAA"))
    option = dns.edns.GenericOption(dns.edns.OptionType.COOKIE, client + server_part)
    response.use_edns(0, options=[option])
    assert queries.server_cookie(response.to_wire(), client) == client + server_part


def test_cookie_of_another_client_is_not_taken() -> None:
    response = dns.message.make_response(dns.message.make_query(FIRST, "AAAA"))
    response.use_edns(0, options=[dns.edns.GenericOption(dns.edns.OptionType.COOKIE, b"somebody" + b"S" * 16)])
    assert queries.server_cookie(response.to_wire(), b"kun-0001") == b"kun-0001"


def test_answer_address_is_read_and_compared_with_the_synthesised_one() -> None:
    expected = synthesised(IPv4Address("180.97.33.108"))
    assert expected == IPv6Address("2002:cb00:7101::b461:216c")
    query = dns.message.make_query(FIRST, "AAAA")
    response = dns.message.make_response(query)
    response.answer.append(dns.rrset.from_text(FIRST, 300, "IN", "AAAA", str(expected)))
    assert first_address(response.to_wire()) == expected
    other = dns.rrset.from_text("other.example.", 300, "IN", "AAAA", str(expected))
    response.answer = [other]  # its owner is spelt out, as CoreDNS spells all of them
    assert first_address(response.to_wire()) == expected


def test_answer_that_is_no_aaaa_is_an_error() -> None:
    response = dns.message.make_response(dns.message.make_query(FIRST, "AAAA"))
    response.answer.append(dns.rrset.from_text(FIRST, 300, "IN", "A", "192.0.2.1"))
    with pytest.raises(BenchError, match="no AAAA"):
        first_address(response.to_wire())


def test_shuffled_names_are_all_the_names_in_the_order_of_the_seed() -> None:
    assert sorted(shuffled(300, 1)) == names(300)
    assert shuffled(300, 1) == shuffled(300, 1)
    assert shuffled(300, 1) != shuffled(300, 2)


def test_suffix_list_has_the_listed_names_and_as_many_lines_as_asked() -> None:
    lines = list(suffix_list(1000, names(10)))
    assert len(set(lines)) == 1000
    assert lines[:10] == names(10)


def test_prefix_of_the_benchmark_is_the_vip_of_the_examples() -> None:
    assert str(PREFIX) == "2002:cb00:7101::"
