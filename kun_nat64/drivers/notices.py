"""The kernel's notices of changes: somebody touched a link, an address, a route, forwarding, or the firewall.

They say that something has changed, not what: the next look does that. Without them every look would have to be a
whole one, several times a second; with them an idle machine costs nothing.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable

from kun_nat64.model.area import Area

NETLINK_NETFILTER = 12
# <linux/rtnetlink.h>: links, IPv4 addresses, IPv6 addresses, IPv6 routes. Not IPv4 routes: there may be a million.
# And RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF: forwarding and rp_filter, which are looked at every time anyway.
ROUTE_GROUPS = 0x1 | 0x10 | 0x100 | 0x400 | 1 << (24 - 1) | 1 << (25 - 1)
# NFNLGRP_NFTABLES is group 7; iptables of the nf_tables kind shows here as well.
NFTABLES_GROUPS = 1 << (7 - 1)
SOURCES = ((Area.LINKS, socket.NETLINK_ROUTE, ROUTE_GROUPS), (Area.RULES, NETLINK_NETFILTER, NFTABLES_GROUPS))


class Notices:
    """`notice` is called on the event loop, once per burst, with the area that has changed."""

    def __init__(self, notice: Callable[[Area], None]) -> None:
        self._notice = notice
        self._sockets: dict[Area, socket.socket] = {}

    def start(self) -> None:
        """Where the kernel refuses a subscription, that area has no notices: `covers` says so."""
        loop = asyncio.get_running_loop()
        for area, protocol, groups in SOURCES:
            with contextlib.suppress(OSError):
                self._sockets[area] = sock = _subscribed(protocol, groups)
                loop.add_reader(sock.fileno(), self._read, area)

    def covers(self, area: Area) -> bool:
        return area in self._sockets

    def _read(self, area: Area) -> None:
        if self._drained(self._sockets[area]):
            self._notice(area)

    def settle(self) -> list[Area]:
        """Takes the waiting notices without calling `notice`: after a change of one's own. The areas they were of."""
        return [area for area, sock in self._sockets.items() if self._drained(sock)]

    def _drained(self, sock: socket.socket) -> bool:
        heard = False
        while True:
            try:
                sock.recv(65536)
            except BlockingIOError:
                return heard
            except OSError:
                # The kernel had more to tell than the buffer holds (ENOBUFS): something has changed for sure.
                return True
            heard = True

    def close(self) -> None:
        for sock in self._sockets.values():
            with contextlib.suppress(RuntimeError):
                asyncio.get_running_loop().remove_reader(sock.fileno())
            sock.close()
        self._sockets.clear()


def _subscribed(protocol: int, groups: int) -> socket.socket:
    kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    sock = socket.socket(socket.AF_NETLINK, kind, protocol)
    try:
        sock.bind((0, groups))
    except OSError:
        sock.close()
        raise
    return sock
