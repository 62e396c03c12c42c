from collections.abc import Iterable
from ipaddress import IPv4Address
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from kun_nat64.model.facts import Pool4, Protocol
from kun_nat64.policy.portranges import merged, without

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
