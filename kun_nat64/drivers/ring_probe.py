"""Asks the other gateways of the ring for a sign of life, through the ring's own tunnels, and tells them of changes.

The kernel at the other end answers (ICMPv6 echo): a gateway whose agent is being restarted translates on, and stays in
the ring. The answer comes back by the tunnel of the same pair, so both directions are proven.
"""

import contextlib
import os
import socket
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv6Address

from kun_nat64.drivers.linkcount import link_counts
from kun_nat64.formats import icmp6
from kun_nat64.model.ringfacts import NOTICE_PORT, link_local, ring_link

# <linux/icmpv6.h>
ICMPV6_FILTER = 1
DATA = b"kun-nat64 ring"
LARGEST = 256
# One may be lost, and a notice costs next to nothing.
NOTICES = 2


class RingProbe:
    """Nothing here raises OSError: what cannot be sent is not answered."""

    def __init__(self) -> None:
        self._ident = os.getpid() & 0xFFFF
        self._echo: socket.socket | None = None
        self._notice: socket.socket | None = None

    def ask(self, members: Iterable[IPv4Address], seq: int) -> None:
        """One question to each."""
        for member in members:
            packet = icmp6.echo_request(self._ident, seq & 0xFFFF, DATA)
            self._send(self._echo_socket, packet, member, 0)

    def answers(self) -> dict[IPv4Address, int]:
        """Who has answered since the last call, with the sequence number of its last answer."""
        found: dict[IPv4Address, int] = {}
        sock = self._echo_socket()
        while sock is not None:
            try:
                data, source = sock.recvfrom(LARGEST)
            except OSError:
                break
            message = icmp6.parse(data)
            if isinstance(message, icmp6.Echo) and message.ident == self._ident:
                found[IPv4Address(int(IPv6Address(source[0].partition("%")[0])) & 0xFFFFFFFF)] = message.seq
        return found

    def tell(self, members: Iterable[IPv4Address]) -> None:
        """Says that the set of gateways changes. The kernels at both ends note it (formats/ring_rules.py)."""
        for member in members:
            for _ in range(NOTICES):
                self._send(self._notice_socket, b"", member, NOTICE_PORT)

    @staticmethod
    def received(members: Iterable[IPv4Address]) -> dict[IPv4Address, int]:
        """Packets that came out of each tunnel since it was made."""
        counted = {member: link_counts(ring_link(member)) for member in members}
        return {member: counts.received for member, counts in counted.items() if counts is not None}

    def close(self) -> None:
        for sock in (self._echo, self._notice):
            if sock is not None:
                sock.close()
        self._echo = self._notice = None

    def _send(self, of: Callable[[], socket.socket | None], packet: bytes, member: IPv4Address, port: int) -> None:
        with contextlib.suppress(OSError):
            sock = of()
            if sock is not None:
                sock.sendto(packet, (str(link_local(member)), port, 0, socket.if_nametoindex(ring_link(member))))

    def _echo_socket(self) -> socket.socket | None:
        if self._echo is None:
            with contextlib.suppress(OSError):
                self._echo = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
                self._echo.setblocking(False)
                self._echo.setsockopt(socket.IPPROTO_ICMPV6, ICMPV6_FILTER, icmp6.filter_mask())
        return self._echo

    def _notice_socket(self) -> socket.socket | None:
        if self._notice is None:
            with contextlib.suppress(OSError):
                self._notice = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
                self._notice.setblocking(False)
        return self._notice
