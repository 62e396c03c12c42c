"""Echo requests of growing size that nobody may cut into pieces, from the canary's namespace."""

import socket
import time
from ipaddress import IPv6Address

from kun_nat64.drivers.netns import make_inside
from kun_nat64.drivers.probelanes import raw_socket
from kun_nat64.formats import icmp6

# Beside the canary's own numbers, so that neither takes the other's answers.
IDENT = 0x6B6D
IPV6_DONTFRAG, IPV6_MTU_DISCOVER, PMTUDISC_PROBE = 62, 23, 3
TRIES = 3


class PathSweep:
    """Blocks while it waits: for a thread. `wait_s` for each try."""

    def __init__(self, netns: str, address: IPv6Address, wait_s: float) -> None:
        """Raises OSError."""
        self._to, self._wait_s, self._seq = (str(address), 0), wait_s, 0
        self._sock = make_inside(netns, raw_socket)
        self._sock.setsockopt(socket.IPPROTO_IPV6, IPV6_DONTFRAG, 1)
        # Sends every size, whatever the kernel believes about the path.
        self._sock.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_PROBE)

    def passes(self, size: int) -> bool:
        """True when an IPv6 packet of `size` bytes came back whole. One that is lost by chance gets other tries."""
        return any(self._once(size) for _ in range(TRIES))

    def _once(self, size: int) -> bool:
        self._seq += 1
        padding = bytes(size - icmp6.IPV6_HEADER - icmp6.HEADER)
        try:
            self._sock.sendto(icmp6.echo_request(IDENT, self._seq, padding), self._to)
        except OSError:
            return False  # too large for the first link already
        deadline = time.monotonic() + self._wait_s
        while (left := deadline - time.monotonic()) > 0:
            self._sock.settimeout(left)
            try:
                data = self._sock.recv(65536)
            except OSError:
                continue
            if icmp6.parse(data) == icmp6.Echo(IDENT, self._seq):
                return len(data) == size - icmp6.IPV6_HEADER
        return False

    def close(self) -> None:
        self._sock.close()
