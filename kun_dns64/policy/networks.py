"""Which network an address is in: one dictionary look-up per prefix length in use, however many networks there are."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

IPNetwork = IPv4Network | IPv6Network
IPAddress = IPv4Address | IPv6Address
MISS = -1


class NetworkTable:
    """Networks in the operator's order; look-ups give their index, or MISS.

    An IPv4-mapped IPv6 address is looked up as the IPv4 address it holds: dual-stack sockets show clients that way.
    """

    __slots__ = ("_tables",)

    def __init__(self, networks: Iterable[IPNetwork]) -> None:
        found: dict[int, dict[int, dict[int, int]]] = {4: {}, 6: {}}
        for index, network in enumerate(networks):
            shift = network.max_prefixlen - network.prefixlen
            table = found[network.version].setdefault(shift, {})
            table.setdefault(int(network.network_address) >> shift, index)
        self._tables = {version: tuple(sorted(tables.items())) for version, tables in found.items()}

    def first(self, address: IPAddress) -> int:
        """The first network in the operator's order that holds the address."""
        version, number = _plain(address)
        best = MISS
        for shift, table in self._tables[version]:
            index = table.get(number >> shift, MISS)
            if index != MISS and (best == MISS or index < best):
                best = index
        return best

    def longest(self, version: int, number: int) -> int:
        """The longest network that holds the address given as a number."""
        for shift, table in self._tables[version]:
            index = table.get(number >> shift, MISS)
            if index != MISS:
                return index
        return MISS

    def first_covering(self, network: IPNetwork) -> int:
        """The first network that holds all of `network`: an EDNS client subnet is one, not an address."""
        outside = network.max_prefixlen - network.prefixlen
        number = int(network.network_address)
        best = MISS
        for shift, table in self._tables[network.version]:
            index = table.get(number >> shift, MISS) if shift >= outside else MISS
            if index != MISS and (best == MISS or index < best):
                best = index
        return best

    def masked(self, version: int) -> bytes:
        """Mask and address of every network, for who looks through them one by one."""
        bits = 32 if version == 4 else 128
        return b"".join(
            ((1 << bits) - (1 << shift)).to_bytes(bits // 8) + (number << shift).to_bytes(bits // 8)
            for shift, table in self._tables[version]
            for number in table
        )

    def __len__(self) -> int:
        return sum(len(table) for tables in self._tables.values() for _, table in tables)

    def __bool__(self) -> bool:
        return any(self._tables.values())


def _plain(address: IPAddress) -> tuple[int, int]:
    number = int(address)
    if address.version == 6 and number >> 32 == 0xFFFF:
        return 4, number & 0xFFFFFFFF
    return address.version, number
