"""Fresh names and addresses for every case, and the shorthand that the tables use for them.

In every text of a table:

`@`         the case's own name, `t0a7.t.example.`; `^@` the same in mixed case
`{label}`   its first label, for names in other zones
`P::`       the prefix of the test VIP
`{ip4}`     the case's own IPv4 address, `{in-addr}` its name under in-addr.arpa
`{ip6}`     the ip6.arpa name of that address under P, `{IP6}` in capitals, `{ip6 2001:db8::/32}` under another prefix
"""

from __future__ import annotations

import ipaddress
import itertools
import re
from dataclasses import dataclass

VIP = "198.51.100.64"
P = "2002:c633:6440::"
P96 = P + "/96"

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_serial = itertools.count(257)


def embed(ipv4: str, prefix: str) -> ipaddress.IPv6Address:
    """RFC 6052 section 2.2, written a second time here on purpose: the tests must not borrow the code they judge."""
    network = ipaddress.IPv6Network(prefix)
    raw = bytearray(network.network_address.packed)
    at = network.prefixlen // 8
    for byte in ipaddress.IPv4Address(ipv4).packed:
        if at == 8:  # the u-octet, bits 64 to 71, stays zero
            at += 1
        raw[at] = byte
        at += 1
    return ipaddress.IPv6Address(bytes(raw))


def ip6_arpa(ipv4: str, prefix: str) -> str:
    """The ip6.arpa name of the IPv4 address embedded in the prefix."""
    return embed(ipv4, prefix).reverse_pointer + "."


@dataclass(frozen=True, slots=True)
class Names:
    """The private corner of the name space that one run of one case owns."""

    own: str
    ipv4: str

    @classmethod
    def fresh(cls) -> Names:
        """Names nobody has used before in this process; the own name always has 16 bytes on the wire."""
        n = next(_serial)
        label = "t" + "".join(_DIGITS[n // 36**i % 36] for i in (2, 1, 0))
        return cls(f"{label}.t.example.", str(ipaddress.IPv4Address("20.0.0.0") + n))

    @property
    def in_addr(self) -> str:
        return ipaddress.IPv4Address(self.ipv4).reverse_pointer + "."

    def fill(self, text: str) -> str:
        """Replace the shorthand of the tables by this case's names."""
        own_ip6 = ip6_arpa(self.ipv4, P96)
        for short, long in (
            ("{label}", self.own.split(".", 1)[0]),
            ("{ip4}", self.ipv4),
            ("{in-addr}", self.in_addr),
            ("{ip6}", own_ip6),
            ("{IP6}", own_ip6.upper()),
        ):
            text = text.replace(short, long)
        text = re.sub(r"\{ip6 ([^}]+)\}", lambda found: ip6_arpa(self.ipv4, found[1]), text)
        text = text.replace("^@", _mixed(self.own)).replace("@", self.own)
        return re.sub(r"\bP::", P, text)


def _mixed(name: str) -> str:
    return "".join(char.upper() if i % 2 == 0 else char for i, char in enumerate(name))
