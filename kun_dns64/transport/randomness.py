"""Unpredictable bits for ids, letter case and the choice of ports (RFC 5452 section 9.2), fetched in bulk.

Twin: fastpath/port_pool.pyx.
"""

import os

CHUNK = 8192


class Randomness:
    """The kernel's random octets, one system call for many numbers."""

    def __init__(self) -> None:
        self._octets, self._place = b"", 0

    def octets(self, count: int) -> bytes:
        end = self._place + count
        if end > len(self._octets):
            self._octets, self._place, end = os.urandom(max(CHUNK, count)), 0, count
        taken = self._octets[self._place : end]
        self._place = end
        return taken

    def id(self) -> int:
        """0 to 65535, evenly."""
        return int.from_bytes(self.octets(2))

    def bits(self, octets: int) -> int:
        return int.from_bytes(self.octets(octets))

    def below(self, limit: int) -> int:
        """0 to limit-1; the bias of 32 bits is far below what anyone could use."""
        return (int.from_bytes(self.octets(4)) * limit) >> 32
