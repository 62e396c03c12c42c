"""Which class a client is in, among hundreds of thousands of networks; changed in place."""

import pickle
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun_dns64.policy.client_table import ClientTable, index_networks
from kun_dns64.policy.network_index import MISS, NetworkIndex

Network = IPv4Network | IPv6Network
# Few bits, so that networks meet.
V6 = st.builds(
    lambda low, length: IPv6Network((low << 124 - 8 & ((1 << 128) - 1) & ~((1 << 128 - length) - 1), length)),
    st.integers(0, 4095),
    st.integers(0, 14),
)
V4 = st.builds(
    lambda low, length: IPv4Network((low << 22 & ~((1 << 32 - length) - 1) & 0xFFFFFFFF, length)),
    st.integers(0, 1023),
    st.integers(0, 12),
)
CLASSES = st.lists(st.lists(st.one_of(V6, V4), max_size=6), max_size=6)


def first_match(classes: list[list[Network]], wanted: Network) -> int:
    """The rule itself, network by network."""
    for number, networks in enumerate(classes):
        if any(wanted.version == n.version and wanted.subnet_of(n) for n in networks):
            return number
    return MISS


@given(CLASSES, st.lists(st.one_of(V6, V4), max_size=8))
def test_the_first_class_that_holds_all_of_a_network_wins(classes: list[list[Network]], asked: list[Network]) -> None:
    table = ClientTable(index_networks(classes))
    for network in asked + [network for networks in classes for network in networks]:
        assert table.of_subnet(network) == first_match(classes, network)
        for address in (network[0], network[-1]):
            assert table.of(address) == first_match(classes, ip_network(address))


@given(CLASSES, st.lists(st.one_of(V6, V4), max_size=8))
def test_the_compiled_lookup_is_a_twin(classes: list[list[Network]], asked: list[Network]) -> None:
    compiled = pytest.importorskip("kun_dns64.fastpath.client_lookup", reason="not compiled (make venv)")
    networks = index_networks(classes)
    everybody = index_networks([[ip_network("0.0.0.0/0"), ip_network("::/0")]])
    nobody = index_networks([])
    table, lookup = ClientTable(networks), compiled.ClientLookup(everybody, nobody, networks)
    trusted = compiled.ClientLookup(everybody, everybody, networks)
    for address in [end for n in asked + [n for ns in classes for n in ns] for end in (n[0], n[-1])]:
        want = table.of(address)
        assert lookup.of(address.packed) == want
        assert (lookup.key(address.packed), trusted.key(address.packed)) == (2 * want, 2 * want + 1)
        if address.version == 4:
            assert lookup.of(bytes(10) + b"\xff\xff" + address.packed) == want
    assert compiled.ClientLookup(nobody, nobody, networks).key(bytes(16)) == -4
    assert lookup.key(b"") == -4


def test_the_root_of_all_addresses_and_single_ones_live_together() -> None:
    table = ClientTable(index_networks([[ip_network("2001:db8::7/128")], [ip_network("::/0")], [ip_network("::/1")]]))
    assert [table.of(ip_address(text)) for text in ("2001:db8::7", "2001:db8::8", "ffff::")] == [0, 1, 1]
    assert table.of(ip_address("192.0.2.1")) == MISS
    assert ClientTable(index_networks([[ip_network("192.0.2.0/24")]])).of(ip_address("::ffff:192.0.2.1")) == 0


def test_a_change_counts_at_once_and_is_counted() -> None:
    table = ClientTable(index_networks([[], []]))
    pod = ip_address("2001:db8::7")
    assert (table.of(pod), bool(table), table.version) == (MISS, False, 0)
    table.change(index_networks([[], [ip_network("2001:db8::7/128")]]))
    assert (table.of(pod), bool(table), table.version) == (1, True, 1)


def test_an_index_survives_being_handed_to_another_process() -> None:
    index = NetworkIndex(16, [(5 << 64, 64, 3), (0, 0, 9)])
    assert pickle.loads(pickle.dumps(index)) == index


def test_two_hundred_thousand_single_addresses_take_less_than_sixty_bytes_each() -> None:
    index = NetworkIndex(16, [((0x2002 << 112) + (n << 20), 128, n % 50) for n in range(200_000)])
    assert len(index) == 200_000
    assert index.size <= 24 * len(index)
    assert index.find(((0x2002 << 112) + (77 << 20)).to_bytes(16), 128) == 27
