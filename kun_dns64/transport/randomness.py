"""Unpredictable bits for ids, letter case and the choice of ports (RFC 5452 section 9.2), fetched in bulk.

Twin: fastpath/port_pool.pyx.
"""

import os

CHUNK = 8192


class Randomness:
    """The kernel's random bytes, one system call for many numbers."""

    def __init__(self) -> None:
        self._bytes, self._place = b"", 0

    def random_bytes(self, count: int) -> bytes:
        end = self._place + count
        if end > len(self._bytes):
            self._bytes, self._place, end = os.urandom(max(CHUNK, count)), 0, count
        taken = self._bytes[self._place : end]
        self._place = end
        return taken

    def id(self) -> int:
        """0 to 65535, evenly."""
        return int.from_bytes(self.random_bytes(2))

    def bits(self, size_bytes: int) -> int:
        return int.from_bytes(self.random_bytes(size_bytes))

    def below(self, limit: int) -> int:
        """0 to limit-1; the bias of 32 bits is far below what anyone could use."""
        return (int.from_bytes(self.random_bytes(4)) * limit) >> 32
