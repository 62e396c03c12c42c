"""What an error of send, recv or connect says about the upstream behind the socket: one table for all three calls.

An error is never a verdict about an upstream. Some come from this machine: its queues, tables and limits are full. The
others come from the network as ICMP, which anybody can forge who guesses a port. Only a health check tells whether an
upstream is down (health_check.py).
"""

import errno
from enum import StrEnum

from kun_dns64.model.step import FailureKind


class Meaning(StrEnum):
    """LOCAL: the packet is lost here, as it could be on the way; it is sent again later.

    HINT: the network says that nobody is there; ask from another port, then by TCP. NO_ROUTE: this machine knows no way
    to the upstream, by UDP or by TCP; ask another upstream.
    """

    LOCAL = "local"
    HINT = "hint"
    NO_ROUTE = "no-route"


_LOCAL = (
    errno.EAGAIN, errno.EINTR, errno.ENOBUFS, errno.ENOMEM, errno.ENOSPC, errno.EPERM, errno.EMFILE, errno.ENFILE,
    errno.EADDRNOTAVAIL, errno.EADDRINUSE, errno.EALREADY, errno.EINPROGRESS, errno.EBUSY,
)  # fmt: skip
_NO_ROUTE = (
    errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.ENONET, errno.ENODEV, errno.ENXIO,
    errno.EAFNOSUPPORT,
)  # fmt: skip
# What ICMP and ICMPv6 become (icmp(7); net/ipv4/icmp.c icmp_err_convert, net/ipv6/icmp.c tab_unreach), and TCP's own.
_HINT = (
    errno.ECONNREFUSED, errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE, errno.ETIMEDOUT, errno.EACCES,
    errno.EMSGSIZE, errno.EPROTO, errno.ENOPROTOOPT, errno.EOPNOTSUPP,
)  # fmt: skip
MEANING = {
    **dict.fromkeys(_LOCAL, Meaning.LOCAL),
    **dict.fromkeys(_NO_ROUTE, Meaning.NO_ROUTE),
    **dict.fromkeys(_HINT, Meaning.HINT),
}
LOCAL = frozenset(_LOCAL)


def meaning_of(error: OSError) -> Meaning:
    """An error that is not in the table speaks of the socket: it is left, as after a hint."""
    return MEANING.get(error.errno or 0, Meaning.HINT)


def failure_kind(error: OSError) -> FailureKind:
    """Of a connection, or a socket, that this error kept from being made."""
    return FailureKind.LOCAL if meaning_of(error) is Meaning.LOCAL else FailureKind.UNREACHABLE
