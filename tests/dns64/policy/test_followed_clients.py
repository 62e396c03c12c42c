"""Clients of the followed table: single addresses and networks, changed one by one; plain and compiled."""

import pickle
from array import array
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kun_dns64.model.members_update import Member, MembersUpdate
from kun_dns64.policy.address_table import MISS, AddressTable
from kun_dns64.policy.client_table import ClientTable, index_networks
from kun_dns64.policy.followed_clients import FollowedClients

ADDRESSES = st.integers(0, 400).map(lambda number: (number * 0x1_0000_0000_0001).to_bytes(16))
CHANGES = st.lists(st.tuples(ADDRESSES, st.none() | st.integers(0, 65_534)), max_size=300)


@given(CHANGES)
@settings(max_examples=60, deadline=None)
def test_a_table_of_addresses_is_a_dictionary(changes: list[tuple[bytes, int | None]]) -> None:
    table, known = AddressTable(16), dict[bytes, int]()
    for address, number in changes:
        if number is None:
            table.remove(address)
            known.pop(address, None)
        else:
            table.put(address, number)
            known[address] = number
    assert len(table) == len(known)
    for number in range(401):
        address = (number * 0x1_0000_0000_0001).to_bytes(16)
        assert table.find(address) == known.get(address, MISS)


def test_addresses_that_meet_in_one_part_are_told_apart_after_removals() -> None:
    """All in one part, so that they stand in rows: whatever is removed, the others are found."""
    table = AddressTable(16)
    part = [one for one in (number.to_bytes(16) for number in range(200_000)) if table._place(one)[0] == 7][:200]
    for number, address in enumerate(part):
        table.put(address, number)
    for gone in part[::3]:
        table.remove(gone)
    for number, address in enumerate(part):
        assert table.find(address) == (MISS if number % 3 == 0 else number)


def test_an_entry_takes_no_more_than_60_bytes() -> None:
    table = AddressTable(16)
    for number in range(20_000):
        table.put((0x2002_0A01 << 96 | number).to_bytes(16), number % 1000)
        assert number < 2000 or table.size <= 60 * len(table)


Network = IPv4Network | IPv6Network
NETWORKS = st.builds(
    lambda low, length: ip_network((low << 116 & ~((1 << 128 - length) - 1), length)),
    st.integers(0, 4095),
    st.sampled_from([0, 4, 8, 12, 128]),
)
NETWORKS4 = st.builds(
    lambda low, length: ip_network((low << 20 & ~((1 << 32 - length) - 1) & 0xFFFFFFFF, length)),
    st.integers(0, 4095),
    st.sampled_from([4, 8, 12, 32]),
)


def member(network: Network, number: int) -> Member:
    return network.network_address.packed, network.prefixlen, number


def longest(known: dict[Network, int], wanted: Network) -> int:
    holding = [one for one in known if one.version == wanted.version and wanted.subnet_of(one)]
    return known[max(holding, key=lambda one: one.prefixlen)] if holding else MISS


@given(st.lists(st.tuples(st.one_of(NETWORKS, NETWORKS4), st.integers(-1, 5)), max_size=30))
@settings(max_examples=100, deadline=None)
def test_the_longest_network_counts_and_goes_before_the_files_clients(changes: list[tuple[Network, int]]) -> None:
    followed, known = FollowedClients(), dict[Network, int]()
    followed.apply(MembersUpdate((), array("H", [5, 4, 3, 2, 1, 0]).tobytes()))
    files = index_networks([[ip_network("::/1")], [ip_network("0.0.0.0/0")]])
    table = ClientTable(files, followed, 2)
    compiled = pytest.importorskip("kun_dns64.fastpath.client_lookup", reason="not compiled (make venv)")
    everybody = index_networks([[ip_network("0.0.0.0/0"), ip_network("::/0")]])
    for network, number in changes:
        followed.apply(MembersUpdate((member(network, number),)))
        known.pop(network, None)
        if number != MISS:
            known[network] = number
    lookup = compiled.ClientLookup(everybody, everybody, files, followed, 2)
    for network, _ in changes:
        for address in (network[0], network[-1]):
            found = longest(known, ip_network(address))
            want = ClientTable(files).of(address) if found == MISS else 2 + (5 - found)
            assert table.of(address) == want
            assert lookup.of(address.packed) == want
            assert lookup.key(address.packed) == 2 * want + 1
        inner = longest(known, network)
        assert table.of_subnet(network) == (ClientTable(files).of_subnet(network) if inner == MISS else 7 - inner)


def test_the_compiled_lookup_sees_single_addresses_change_by_itself() -> None:
    compiled = pytest.importorskip("kun_dns64.fastpath.client_lookup", reason="not compiled (make venv)")
    followed, nobody = FollowedClients(), index_networks([])
    lookup = compiled.ClientLookup(nobody, nobody, nobody, followed, 3)
    address = ip_address("2002:a01::1").packed
    assert lookup.of(address) == MISS
    # A number without a policy yet counts as no client, and reads nothing beyond the end.
    followed.apply(MembersUpdate(((address, 128, 1),)))
    assert lookup.of(address) == MISS
    followed.apply(MembersUpdate((), array("H", [9, 8]).tobytes()))
    assert lookup.of(address) == 3 + 8
    many = tuple(((0x2002 << 112 | number).to_bytes(16), 128, 0) for number in range(20_000))
    assert not followed.apply(MembersUpdate(many))
    assert all(lookup.of(start) == 3 + 9 for start, _, _ in many)
    followed.apply(MembersUpdate(tuple((start, 128, MISS) for start, _, _ in many)))
    assert {lookup.of(start) for start, _, _ in many} == {MISS}
    assert lookup.of(address) == 3 + 8


def test_it_is_the_same_in_another_process() -> None:
    followed = FollowedClients()
    one, other = ip_address("10.0.0.1").packed, ip_network("2002::/16")
    followed.apply(MembersUpdate(((one, 32, 0), member(other, 1)), array("H", [4, 5]).tobytes()))
    copy = pickle.loads(pickle.dumps(followed))
    assert (copy.find(one, 32), copy.find(other[7].packed, 128), len(copy)) == (4, 5, 2)
