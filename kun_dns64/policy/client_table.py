"""Which client policy an address falls under. What the tables hold may change while everything else stays.

A pod that is added to a file changes the answers to that pod. So membership is no part of the rules: a change of it
makes no new rules, no reply kept for others is forgotten, and no question under way is asked anew.
"""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network

from kun_dns64.model.message import IPAddress
from kun_dns64.model.rules import ClientNetworks, ClientPolicy, FollowedLookup
from kun_dns64.policy.network_index import MISS, NetworkIndex

IPNetwork = IPv4Network | IPv6Network
V4_MAPPED = bytes(10) + b"\xff\xff"


def index_networks(clients: Iterable[Iterable[IPNetwork]]) -> ClientNetworks:
    """The networks of each client policy, in the operator's order: the first policy that matches wins."""
    found: dict[int, list[tuple[int, int, int]]] = {4: [], 6: []}
    for number, networks in enumerate(clients):
        for network in networks:
            found[network.version].append((int(network.network_address), network.prefixlen, number))
    return NetworkIndex(4, found[4]), NetworkIndex(16, found[6])


class ClientTable:
    """`version` counts the changes: what was begun under another is not to be kept for others."""

    __slots__ = ("_v4", "_v6", "followed", "followed_from", "version")

    def __init__(
        self, networks: ClientNetworks, followed: FollowedLookup | None = None, followed_from: int = 0
    ) -> None:
        """`followed` goes before `networks`; its policies are numbered from `followed_from` on."""
        self.version = 0
        self._v4, self._v6 = networks
        self.followed, self.followed_from = followed, followed_from

    def change(self, networks: ClientNetworks) -> None:
        """Other members of the same policies, from now on."""
        self._v4, self._v6 = networks
        self.version += 1

    def followed_changed(self) -> None:
        """The followed clients are others, from now on."""
        self.version += 1

    @property
    def networks(self) -> ClientNetworks:
        return self._v4, self._v6

    def of(self, address: IPAddress) -> int:
        """The number of the first policy that holds the address, or MISS."""
        return self.of_packed(address.packed)

    def of_packed(self, address: bytes) -> int:
        """An IPv4-mapped IPv6 address is the IPv4 address in it: dual-stack sockets show clients that way."""
        if len(address) == 16 and address[:12] == V4_MAPPED:
            address = address[12:]
        return self._find(address, 8 * len(address))

    def of_subnet(self, network: IPNetwork) -> int:
        """The same for a network, of which one network of the policy must hold all."""
        return self._find(network.network_address.packed, network.prefixlen)

    def _find(self, address: bytes, length: int) -> int:
        if self.followed is not None and (found := self.followed.find(address, length)) != MISS:
            return self.followed_from + found
        return (self._v4 if len(address) == 4 else self._v6).find(address, length)

    def __bool__(self) -> bool:
        """Whether there may be clients that are treated in another way; a followed table may have some any time."""
        return self.followed is not None or bool(len(self._v4) or len(self._v6))


def client_networks(clients: Iterable[ClientPolicy]) -> ClientNetworks:
    """Of policies that name their networks themselves."""
    return index_networks(client.networks for client in clients)


__all__ = ["MISS", "ClientTable", "client_networks", "index_networks"]
