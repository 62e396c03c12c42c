"""Who may ask where the operator does not say: less, when anybody could reach us."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

from kun_dns64.config.endpoint import Endpoint
from kun_dns64.config.file import ServerSection

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network
SIX_TO_FOUR = IPv6Network("2002::/16")
# 6to4 addresses of private IPv4 hosts: 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16. All others are the Internet's.
PRIVATE_SIX_TO_FOUR = tuple(ip_network(text) for text in ("2002:a00::/24", "2002:ac10::/28", "2002:c0a8::/32"))


def allowed_clients(server: ServerSection) -> tuple[IPNetwork, ...]:
    """`allow_clients`, or its default; without the whole of 2002::/16 where a listener can be reached from outside."""
    own = tuple(server.allow_clients)
    listening = [*server.listen, *(server.tls.listen if server.tls is not None else ())]
    if "allow_clients" in server.model_fields_set or not any(map(is_public, listening)):
        return own
    return tuple(_narrowed(own))


def is_public(endpoint: Endpoint) -> bool:
    """Whether the Internet may reach the address: a global one, or all the host has."""
    address: IPAddress = endpoint.address
    if isinstance(address, IPv6Address) and address.sixtofour is not None:
        address = address.sixtofour
    return endpoint.is_wildcard or not (address.is_private or address.is_loopback or address.is_link_local)


def _narrowed(networks: Iterable[IPNetwork]) -> Iterable[IPNetwork]:
    for network in networks:
        if network == SIX_TO_FOUR:
            yield from PRIVATE_SIX_TO_FOUR
        else:
            yield network
