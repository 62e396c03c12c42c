"""The clients of the followed table: which policy each is under. The longest prefix counts.

A client has the number of its class, and a class that of its policy: what classes do can change for all their clients
at once. Both numbers are given by state/followed_rules.py, and every worker has a copy of all this.

Twin: fastpath/client_lookup.pyx.
"""

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kun_dns64.model.members_update import MembersUpdate
from kun_dns64.policy.address_table import AddressTable
from kun_dns64.policy.network_index import MISS, NetworkIndex


@dataclass(eq=False, slots=True)
class FollowedClients:
    """Changed in place by `apply`; applying an update twice changes nothing."""

    addresses: Mapping[int, AddressTable] = field(default_factory=lambda: {4: AddressTable(4), 16: AddressTable(16)})
    networks: dict[int, NetworkIndex] = field(default_factory=lambda: {4: NetworkIndex(4), 16: NetworkIndex(16)})
    policies: "array[int]" = field(default_factory=lambda: array("H"))
    _known: dict[tuple[bytes, int], int] = field(default_factory=dict)

    def apply(self, update: MembersUpdate) -> bool:
        """Returns whether networks have changed, and not only single addresses."""
        if update.policies is not None:
            # The compiled twin keeps this very object.
            self.policies[:] = array("H", update.policies)
        changed = set()
        for start, length, number in update.members:
            raw = len(start)
            if length == 8 * raw:
                self._put_address(self.addresses[raw], start, number)
            else:
                self._put_network(start, length, number)
                changed.add(raw)
        for raw in changed:
            self.networks[raw] = NetworkIndex(raw, self._entries(raw), deepest=True)
        return bool(changed)

    def find(self, address: bytes, length: int) -> int:
        """The policy of a network, `length` bits long, of which one client here holds all; MISS."""
        raw = len(address)
        number = self.addresses[raw].find(address) if length == 8 * raw else MISS
        if number == MISS:
            number = self.networks[raw].find(address, length)
        return self.policies[number] if 0 <= number < len(self.policies) else MISS

    def _put_address(self, table: AddressTable, address: bytes, number: int) -> None:
        if number == MISS:
            table.remove(address)
        else:
            table.put(address, number)

    def _put_network(self, start: bytes, length: int, number: int) -> None:
        if number == MISS:
            self._known.pop((start, length), None)
        else:
            self._known[start, length] = number

    def _entries(self, raw: int) -> Iterable[tuple[int, int, int]]:
        for (start, length), number in self._known.items():
            if len(start) == raw:
                yield int.from_bytes(start), length, number

    def __len__(self) -> int:
        return sum(map(len, self.addresses.values())) + len(self._known)

    @property
    def size(self) -> int:
        """What it holds, in bytes."""
        return sum(one.size for one in self.addresses.values()) + sum(one.size for one in self.networks.values())
