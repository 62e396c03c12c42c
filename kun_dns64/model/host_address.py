"""The address of a host that has a 6to4 tunnel of its own (RFC 3056): its own IPv4 address tells it."""

from enum import StrEnum

# 2002::/16
_SIXTOFOUR = b"\x20\x02"


class SixToFourHost(StrEnum):
    """Which address of its 6to4 /48 the host has: 2002:V4::V4 (`embed`) or 2002:V4::1 (`1`)."""

    EMBED = "embed"
    ONE = "1"

    def embed_bytes(self, ipv4: bytes) -> bytes:
        """16 bytes for 4 bytes."""
        if self is SixToFourHost.EMBED:
            return _SIXTOFOUR + ipv4 + bytes(6) + ipv4
        return _SIXTOFOUR + ipv4 + bytes(9) + b"\x01"

    def extract_bytes(self, address: bytes) -> bytes | None:
        """The 4 bytes that `embed_bytes` would make this address of; None: it makes no such address."""
        ipv4 = address[2:6]
        return ipv4 if self.embed_bytes(ipv4) == address else None
