"""IPv4 networks with a special purpose, and which of them no translator must reach by default.

Source: the IANA IPv4 Special-Purpose Address Registry (RFC 6890 and its updates), plus multicast (RFC 5771) and the
deprecated 6to4 relay anycast prefix (RFC 7526). The DNS64 server's `never_embed` and the gateway's `never_reach` have
one default, `NEVER_TRANSLATED`: otherwise a name gets an AAAA whose packets the gateway drops, or the other way round.
"""

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network
from typing import NamedTuple


class SpecialNetwork(NamedTuple):
    """`translated`: packets to it may pass a translator by default. `source`: the RFC that reserves it."""

    network: IPv4Network
    purpose: str
    source: str
    translated: bool = False


SPECIAL_IPV4 = tuple(
    SpecialNetwork(IPv4Network(network), *rest)
    for network, *rest in (
        ("0.0.0.0/8", "this network", "RFC 791 section 3.2"),
        ("10.0.0.0/8", "private use", "RFC 1918"),
        ("100.64.0.0/10", "shared address space", "RFC 6598"),
        ("127.0.0.0/8", "loopback", "RFC 1122 section 3.2.1.3"),
        ("169.254.0.0/16", "link-local", "RFC 3927"),
        ("172.16.0.0/12", "private use", "RFC 1918"),
        ("192.0.0.0/24", "IETF protocol assignments", "RFC 6890 section 2.1"),
        ("192.0.2.0/24", "documentation", "RFC 5737", True),
        ("192.88.99.0/24", "deprecated 6to4 relay anycast", "RFC 7526", True),
        ("192.168.0.0/16", "private use", "RFC 1918"),
        ("198.18.0.0/15", "benchmarking", "RFC 2544"),
        ("198.51.100.0/24", "documentation", "RFC 5737", True),
        ("203.0.113.0/24", "documentation", "RFC 5737", True),
        ("224.0.0.0/4", "multicast", "RFC 5771"),
        ("240.0.0.0/4", "reserved, and limited broadcast", "RFC 1112 section 4"),
    )
)
# Not globally reachable, all of them. Python's own is_global differs between versions.
NONGLOBAL_IPV4 = tuple(special.network for special in SPECIAL_IPV4)
DOCUMENTATION_IPV4 = tuple(special.network for special in SPECIAL_IPV4 if special.purpose == "documentation")
NEVER_TRANSLATED = tuple(special.network for special in SPECIAL_IPV4 if not special.translated)

PROTOCOL_ASSIGNMENTS = IPv4Network("192.0.0.0/24")
# Inside it, yet globally reachable: PCP and TURN anycast (RFC 7723 section 4, RFC 8155 section 7).
GLOBAL_EXCEPTIONS = frozenset(IPv4Address(a) for a in ("192.0.0.9", "192.0.0.10"))
# Also inside it: by these two hosts learn the prefix (RFC 7050 section 2.2). No host has them.
DISCOVERY_IPV4 = frozenset(IPv4Address(a) for a in ("192.0.0.170", "192.0.0.171"))


def is_nonglobal(address: IPv4Address) -> bool:
    """True where RFC 6052 section 3.1 forbids the well-known prefix."""
    return address not in GLOBAL_EXCEPTIONS and any(address in network for network in NONGLOBAL_IPV4)


def without_global(networks: Iterable[IPv4Network]) -> Iterator[IPv4Network]:
    """The same networks, but 192.0.0.0/24 in pieces, without the addresses in it that are global or for discovery.

    Any other network stays as it is: who lists 192.0.0.9/32 or 192.0.0.0/16 means every address of it.
    """
    for network in networks:
        if network == PROTOCOL_ASSIGNMENTS:
            yield from _pieces(network, GLOBAL_EXCEPTIONS | DISCOVERY_IPV4)
        else:
            yield network


def _pieces(network: IPv4Network, without: frozenset[IPv4Address]) -> list[IPv4Network]:
    pieces = [network]
    for address in without:
        pieces = [
            piece
            for whole in pieces
            for piece in (whole.address_exclude(IPv4Network(address)) if address in whole else (whole,))
        ]
    return sorted(pieces)
