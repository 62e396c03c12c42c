"""The zone every server resolves from: A-only names, so that each AAAA answer is a synthesised one."""

import random
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address

ZONE = "bench.example."
FIRST = f"first.{ZONE}"
FIRST_IPV4 = IPv4Address("198.18.255.254")
TTL_S = 86400
PREFIX = IPv6Address("2002:cb00:7101::")
PREFIX_TEXT = f"{PREFIX}/96"
VIP = "203.0.113.1"
# 198.18.0.0/15 is the benchmarking network of RFC 2544; beyond its size the addresses repeat, the names do not.
NETWORK = int(IPv4Address("198.18.0.0"))
NETWORK_SIZE = 1 << 17


def name_of(index: int) -> str:
    return f"n{index:06d}.{ZONE}"


def names(count: int, start: int = 0) -> list[str]:
    return [name_of(index) for index in range(start, start + count)]


def shuffled(count: int, seed: int, start: int = 0) -> list[str]:
    """The same order for every server of one round, another one in the next."""
    found = names(count, start)
    random.Random(seed).shuffle(found)
    return found


def zone_file(count: int) -> Iterator[str]:
    """Lines of a master file (RFC 1035 section 5) with `count` A-only names and FIRST."""
    yield f"$TTL {TTL_S}"
    yield f"{ZONE} IN SOA ns.{ZONE} hostmaster.{ZONE} 1 7200 3600 1209600 {TTL_S}"
    yield f"{ZONE} IN NS ns.{ZONE}"
    yield f"ns.{ZONE} IN A 127.0.0.1"
    yield f"{FIRST} IN A {FIRST_IPV4}"
    for index in range(count):
        yield f"{name_of(index)} IN A {IPv4Address(NETWORK + index % NETWORK_SIZE)}"


def synthesised(ipv4: IPv4Address, prefix: IPv6Address = PREFIX) -> IPv6Address:
    """RFC 6052 section 2.2 for a /96."""
    return IPv6Address(int(prefix) | int(ipv4))


def suffix_list(count: int, listed: Iterable[str]) -> Iterator[str]:
    """A domain file of `count` suffixes: the `listed` names and inventions that nothing asks for."""
    kept = list(listed)
    yield from kept
    for index in range(count - len(kept)):
        yield f"d{index:07d}.cdn{index % 977}.example"
