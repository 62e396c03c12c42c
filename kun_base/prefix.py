"""NAT64 prefixes: IPv4 addresses inside IPv6 ones (RFC 6052), and the 6to4 prefix of a VIP (RFC 3056)."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network

from kun_base.special_ipv4 import DOCUMENTATION_IPV4, is_nonglobal

LENGTHS = (32, 40, 48, 56, 64, 96)
U_OCTET = 8

# Where the four bytes of the IPv4 address stand (RFC 6052 section 2.2): byte 8, the "u" octet, is stepped over.
POSITIONS: dict[int, tuple[int, int, int, int]] = {
    32: (4, 5, 6, 7),
    40: (5, 6, 7, 9),
    48: (6, 7, 9, 10),
    56: (7, 9, 10, 11),
    64: (9, 10, 11, 12),
    96: (12, 13, 14, 15),
}

SIXTOFOUR = IPv6Network("2002::/16")
UNUSABLE_IPV6 = (
    (IPv6Network("::/96"), "the unspecified, the loopback and IPv4-compatible addresses (RFC 4291 section 2.5)"),
    (IPv6Network("::ffff:0:0/96"), "IPv4-mapped addresses: hosts send IPv4 for them (RFC 4291 section 2.5.5.2)"),
    (IPv6Network("fe80::/10"), "link-local addresses (RFC 4291 section 2.5.6)"),
    (IPv6Network("ff00::/8"), "multicast (RFC 4291 section 2.7)"),
)


@dataclass(frozen=True, slots=True)
class Prefix:
    """An RFC 6052 prefix. Raises ValueError, naming the prefix, when its length or its u-octet is not legal."""

    network: IPv6Network

    def __post_init__(self) -> None:
        if self.network.prefixlen not in LENGTHS:
            legal = ", ".join(f"/{n}" for n in LENGTHS)
            raise ValueError(f"{self.network}: a NAT64 prefix is one of {legal} (RFC 6052 section 2.2)")
        if self.network.network_address.packed[U_OCTET]:
            raise ValueError(f"{self.network}: bits 64 to 71 must be zero (RFC 6052 section 2.2)")

    @classmethod
    def parse(cls, text: str) -> "Prefix":
        """`2001:db8::/96`; raises ValueError for host bits, a missing length, IPv4, or what RFC 6052 forbids."""
        if "/" not in text:
            raise ValueError(f"{text!r}: a prefix needs its length, for example {text}/96")
        return cls(IPv6Network(text))

    @property
    def head(self) -> bytes:
        """The bytes before the embedded address; for /96 an AAAA is `head` plus the four bytes of the A."""
        return self.network.network_address.packed[: self.network.prefixlen // 8]

    def embed_bytes(self, ipv4: bytes) -> bytes:
        """16 bytes for 4 bytes."""
        if self.network.prefixlen == 96:
            return self.network.network_address.packed[:12] + ipv4
        out = bytearray(self.network.network_address.packed)
        for place, byte in zip(POSITIONS[self.network.prefixlen], ipv4, strict=True):
            out[place] = byte
        return bytes(out)

    def embed(self, address: IPv4Address) -> IPv6Address:
        return IPv6Address(self.embed_bytes(address.packed))

    def extract(self, address: IPv6Address) -> IPv4Address | None:
        """The embedded IPv4, or None for an address outside the prefix."""
        if address not in self.network:
            return None
        packed = address.packed
        return IPv4Address(bytes(packed[i] for i in POSITIONS[self.network.prefixlen]))

    def __str__(self) -> str:
        return str(self.network)


WELL_KNOWN = Prefix(IPv6Network("64:ff9b::/96"))


def sixtofour_network(vip: IPv4Address) -> IPv6Network:
    """The 6to4 /48 of an IPv4 address (RFC 3056 section 2): 203.0.113.1 gives 2002:cb00:7101::/48."""
    return IPv6Network((b"\x20\x02" + vip.packed + bytes(10), 48))


def sixtofour_prefix(vip: IPv4Address) -> Prefix:
    """The NAT64 prefix of a VIP: the first /96 of its 6to4 /48."""
    return Prefix(IPv6Network((b"\x20\x02" + vip.packed + bytes(10), 96)))


def vip_problem(vip: IPv4Address, *, allow_nonglobal: bool) -> str | None:
    """Why `vip` must not be a 6to4 VIP, or None. Documentation networks pass (RFC 3056 section 2, RFC 7526)."""
    if allow_nonglobal or any(vip in network for network in DOCUMENTATION_IPV4) or not is_nonglobal(vip):
        return None
    return f"{vip} is not a global unicast IPv4 address: a 6to4 prefix must not be built on it (RFC 3056 section 2)"


def prefix_problem(prefix: Prefix, *, allow_nonglobal: bool) -> str | None:
    """Why no host could reach what is embedded in `prefix`, or None. A 6to4 prefix is judged by the VIP in it."""
    network = prefix.network
    for unusable, why in UNUSABLE_IPV6:
        if network.overlaps(unusable):
            return f"no gateway can be reached by {why}"
    if network.prefixlen < 48 or not network.subnet_of(SIXTOFOUR):
        return None
    return vip_problem(IPv4Address(network.network_address.packed[2:6]), allow_nonglobal=allow_nonglobal)
