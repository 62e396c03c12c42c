"""Whose an inside address is: networks of clients, the longest that holds an address decides."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from types import MappingProxyType

ALL_BITS = (1 << 128) - 1


@dataclass(frozen=True, slots=True)
class Client:
    """`tenant`: name of its tenant, "" for none. `namespace` and `pod` in Kubernetes, "" where unknown."""

    tenant: str = ""
    namespace: str = ""
    pod: str = ""


NOBODY = Client()
# Networks of one length, as numbers.
Networks = Mapping[int, Client]


@dataclass(frozen=True, eq=False)
class Clients:
    """`networks`: by prefix length. Two of these are equal only if they are the same object."""

    networks: Mapping[int, Networks] = field(default_factory=lambda: MappingProxyType({}))
    lengths: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        filled = (length for length, networks in self.networks.items() if networks)
        object.__setattr__(self, "lengths", tuple(sorted(filled, reverse=True)))

    def __bool__(self) -> bool:
        return bool(self.lengths)

    def __len__(self) -> int:
        return sum(map(len, self.networks.values()))

    def of(self, address: IPv6Address | int) -> Client | None:
        """None: no network holds it."""
        number = int(address)
        for length in self.lengths:
            found = self.networks[length].get(number & mask(length))
            if found is not None:
                return found
        return None


def mask(length: int) -> int:
    return ALL_BITS ^ (ALL_BITS >> length)


NO_CLIENTS = Clients()
