"""Real AAAA records that count as absent (RFC 6147 section 5.1.4)."""

from collections.abc import Iterable
from ipaddress import IPv6Network

from kun_dns64.model.message import Record
from kun_dns64.policy.networks import MISS, NetworkTable


class ExclusionSet:
    __slots__ = ("networks",)

    def __init__(self, networks: Iterable[IPv6Network]) -> None:
        self.networks = NetworkTable(networks)

    def holds(self, address: bytes) -> bool:
        return self.networks.longest(6, int.from_bytes(address)) != MISS

    def kept(self, records: tuple[Record, ...]) -> tuple[Record, ...]:
        """The records whose address is not excluded; the same tuple when that is all of them."""
        kept = tuple(record for record in records if not self.holds(record.rdata))
        return records if len(kept) == len(records) else kept
