"""The kernel's notices of changes: somebody touched a link, an address, a route, forwarding, or the firewall.

They say that something has changed, not what: the next look does that. Without them every look would have to be a
whole one, several times a second; with them an idle machine costs nothing. The probe's namespace has notices of its
own, for as long as it is the same one.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable

from kun_nat64.drivers.netns import make_inside, namespace_identity
from kun_nat64.model.area import Area

NETLINK_NETFILTER = 12
# <linux/rtnetlink.h>: links, IPv4 addresses, IPv6 addresses, IPv6 routes. Not IPv4 routes: there may be a million.
# And RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF: forwarding and rp_filter, which are looked at every time anyway.
# RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE: routing rules.
ROUTE_GROUPS = 0x1 | 0x10 | 0x100 | 0x400 | 1 << (24 - 1) | 1 << (25 - 1) | 1 << (8 - 1) | 1 << (19 - 1)
# NFNLGRP_NFTABLES is group 7; iptables of the nf_tables kind shows here as well.
NFTABLES_GROUPS = 1 << (7 - 1)
# In the probe's namespace RTNLGRP_IPV4_ROUTE as well: there are two.
INSIDE_GROUPS = ROUTE_GROUPS | 0x40
SOURCES = ((Area.LINKS, socket.NETLINK_ROUTE, ROUTE_GROUPS), (Area.RULES, NETLINK_NETFILTER, NFTABLES_GROUPS))


class Notices:
    """`notice` is called on the event loop, once per burst, with the area that has changed."""

    def __init__(self, notice: Callable[[Area], None]) -> None:
        self._notice = notice
        self._sockets: dict[Area, socket.socket] = {}
        self._inside: socket.socket | None = None
        self._identity: tuple[int, int] | None = None

    def start(self) -> None:
        """Where the kernel refuses a subscription, that area has no notices: `covers` says so."""
        loop = asyncio.get_running_loop()
        for area, protocol, groups in SOURCES:
            with contextlib.suppress(OSError):
                self._sockets[area] = sock = _subscribed(protocol, groups)
                loop.add_reader(sock.fileno(), self._read, sock, area)

    def follow(self, netns: str) -> None:
        """From now on also what is changed inside the namespace of that name, if there is one. Not before `start`."""
        identity = namespace_identity(netns)
        if not self._sockets or identity == self._identity:
            return
        self._leave()
        with contextlib.suppress(OSError):
            self._inside = sock = make_inside(netns, lambda: _subscribed(socket.NETLINK_ROUTE, INSIDE_GROUPS))
            self._identity = identity
            asyncio.get_running_loop().add_reader(sock.fileno(), self._read, sock, Area.LINKS)

    def _leave(self) -> None:
        if self._inside is not None:
            _close(self._inside)
        self._inside = self._identity = None

    def covers(self, area: Area) -> bool:
        return area in self._sockets

    def _read(self, sock: socket.socket, area: Area) -> None:
        if self._drained(sock):
            self._notice(area)

    def settle(self) -> list[Area]:
        """Takes the waiting notices without calling `notice`: after a change of one's own. The areas they were of."""
        areas = [area for area, sock in self._sockets.items() if self._drained(sock)]
        if self._inside is not None and self._drained(self._inside):
            areas.append(Area.LINKS)
        return areas

    def _drained(self, sock: socket.socket) -> bool:
        is_changed = False
        while True:
            try:
                sock.recv(65536)
            except BlockingIOError:
                return is_changed
            except OSError:
                # The kernel had more to tell than the buffer holds (ENOBUFS): something has changed for sure.
                return True
            is_changed = True

    def close(self) -> None:
        self._leave()
        for sock in self._sockets.values():
            _close(sock)
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


def _close(sock: socket.socket) -> None:
    with contextlib.suppress(RuntimeError):
        asyncio.get_running_loop().remove_reader(sock.fileno())
    sock.close()
