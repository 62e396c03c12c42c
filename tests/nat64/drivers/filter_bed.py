"""A gateway and a pod's host in two namespaces: real tools load rules there, and real packets meet them."""

import os
import socket
import struct
import time
from ipaddress import IPv6Address

from kun_nat64.drivers.command import CommandResult, Feed, ProcessRunner

GATEWAY, POD_HOST = f"kunreal-{os.getpid()}-g", f"kunreal-{os.getpid()}-p"
POD, GREEDY = IPv6Address("2002:a01:2:1::10"), IPv6Address("2002:a01:2:1::11")
NODE = IPv6Address("2002:a01:2:1::1")
SERVER = IPv6Address("2002:cb00:7101::c633:6450")
FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10
SOON_S, NEVER_S = 3.0, 0.4


class Inside:
    """Commands in the gateway's namespace."""

    async def run(
        self, *argv: str, stdin: str = "", deadline_s: float = 20.0, feed: Feed | None = None
    ) -> CommandResult:
        words = ("ip", "netns", "exec", GATEWAY, *argv)
        return await ProcessRunner().run(*words, stdin=stdin, deadline_s=deadline_s)


def raw_tcp(address: IPv6Address = POD) -> socket.socket:
    made = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_TCP)
    made.setsockopt(socket.IPPROTO_IPV6, 7, 16)  # IPV6_CHECKSUM: where the kernel shall put it
    made.bind((str(address), 0))
    return made


def send(wire: socket.socket, port: int, flags: int, to: IPv6Address = SERVER) -> None:
    wire.sendto(struct.pack("!HHIIBBHHH", port, 443, 1, 1, 5 << 4, flags, 1024, 0, 0), (str(to), 0))


def is_reset(wire: socket.socket, port: int, within_s: float) -> bool:
    """Whether a RST for this port of the pod comes in time."""
    end = time.monotonic() + within_s
    while (left := end - time.monotonic()) > 0:
        wire.settimeout(left)
        try:
            packet = wire.recv(2048)
        except TimeoutError:
            return False
        if struct.unpack_from("!H", packet, 2)[0] == port and packet[13] & RST:
            return True
    return False
