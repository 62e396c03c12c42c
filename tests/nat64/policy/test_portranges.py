from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun_nat64.model.facts import Pool4, Protocol
from kun_nat64.model.traffic import Binding, Endpoint4, Endpoint6
from kun_nat64.policy.portranges import borrowed, merged, without

ADDRESS = IPv4Address("192.0.2.11")
SPANS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), max_size=6)


def entries(spans: list[tuple[int, int]]) -> list[Pool4]:
    return [Pool4("kun", Protocol.TCP, ADDRESS, first, first + length) for first, length in spans]


def ports(found: Iterable[Pool4]) -> set[int]:
    return {port for entry in found for port in range(entry.first_port, entry.last_port + 1)}


@given(SPANS)
def test_merging_keeps_every_port_and_leaves_no_two_neighbours(spans: list[tuple[int, int]]) -> None:
    found = merged(entries(spans))
    assert ports(found) == ports(entries(spans))
    ordered = sorted(found, key=lambda entry: entry.first_port)
    assert all(one.last_port + 1 < other.first_port for one, other in pairwise(ordered))


@given(SPANS, SPANS)
def test_taking_away_is_set_difference_of_ports(left: list[tuple[int, int]], right: list[tuple[int, int]]) -> None:
    assert ports(without(entries(left), entries(right))) == ports(entries(left)) - ports(entries(right))


def test_ranges_of_another_address_or_protocol_do_not_touch() -> None:
    tcp = Pool4("kun", Protocol.TCP, ADDRESS, 1, 9)
    udp = Pool4("kun", Protocol.UDP, ADDRESS, 1, 9)
    other = Pool4("kun", Protocol.TCP, IPv4Address("192.0.2.12"), 10, 19)
    assert merged([tcp, udp, other]) == {tcp, udp, other}
    assert list(without([tcp], [udp, other])) == [tcp]


def bound(port: int, protocol: Protocol = Protocol.TCP, *, static: bool = False) -> Binding:
    inside = Endpoint6(IPv6Address("2002:a01:2:1::10"), 40000)
    return Binding(protocol, inside, Endpoint4(ADDRESS, port), static)


@pytest.mark.parametrize(
    ("binding", "pool4", "spans"),
    [
        pytest.param(bound(62842), (20000, 60000), {(61001, 65535)}, id="a port of Jool's own choice"),
        pytest.param(bound(62842), (20000, 62000), {(62001, 65535)}, id="pool4 has some of those"),
        pytest.param(bound(62842), (1024, 65535), set(), id="pool4 has it"),
        pytest.param(bound(61500), (20000, 62000), set(), id="pool4 has it, and not all of those"),
        pytest.param(bound(20001), (20000, 60000), set(), id="an ordinary flow"),
        pytest.param(bound(62842, static=True), (20000, 60000), set(), id="the operator's"),
    ],
)
def test_ports_that_flows_have_borrowed_are_found(
    binding: Binding, pool4: tuple[int, int], spans: set[tuple[int, int]]
) -> None:
    found = borrowed([binding], [Pool4("kun", Protocol.TCP, ADDRESS, *pool4)], "kun")
    assert {(one.first_port, one.last_port) for one in found} == spans
    assert all((one.address, one.protocol) == (ADDRESS, Protocol.TCP) for one in found)


def test_a_mark_of_pool4_does_not_make_its_ports_borrowed() -> None:
    assert not borrowed([bound(62842)], [Pool4("kun", Protocol.TCP, ADDRESS, 61001, 65535, mark=7)], "kun")
