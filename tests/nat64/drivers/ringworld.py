"""Three gateways and a pod in namespaces, each gateway joined to the pod and to both others by cables of its own.

A cable has the name that the tunnel would have: this machine's kernel may know no sit. Behind the table of flows, where
Jool would be, packets are counted.
"""

import json
import os
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from itertools import combinations

from kun_nat64.drivers.command import CommandResult, Feed, ProcessRunner
from kun_nat64.drivers.netns import make_inside
from kun_nat64.drivers.orphan_table import ResetsDriver
from kun_nat64.model.facts import OrphanReset, RingStep
from kun_nat64.model.joolfacts import Protocol
from kun_nat64.model.plan import Action, Change
from kun_nat64.model.resetfacts import FlowWatch
from kun_nat64.model.ringfacts import FIRST_LABEL, link_local, ring_link
from kun_nat64.model.traffic import Session
from tests.nat64.drivers.filter_bed import is_reset

POD, SERVER = IPv6Address("2002:a01:2:1::10"), IPv6Address("2002:cb00:7101::c633:6450")
MEMBERS = {name: IPv4Address(f"10.2.{place}.2") for place, name in enumerate("abc", 1)}
ALL_IN_TURN = {"a": RingStep(MEMBERS["b"], 2), "b": RingStep(MEMBERS["c"], 2), "c": RingStep(MEMBERS["a"], 2)}
FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10
TCP_KEY = "2002:a01:2:1::10 . {port} . 2002:cb00:7101::c633:6450 . 443"
JOOL = """table ip6 translator {
 chain p { type filter hook prerouting priority -75; ip6 daddr 2002:cb00:7101::/96 counter drop
 }
}"""
SILENCE = "table ip6 t { chain o { type filter hook output priority 0; tcp window 0 tcp flags & rst == rst drop; }; }"


class Inside:
    def __init__(self, namespace: str) -> None:
        self._namespace = namespace

    async def run(
        self, *argv: str, stdin: str = "", deadline_s: float = 20.0, feed: Feed | None = None
    ) -> CommandResult:
        words = ("ip", "netns", "exec", self._namespace, *argv)
        return await ProcessRunner().run(*words, stdin=stdin, deadline_s=deadline_s)


class NoJool:
    """Knows no sessions."""

    async def sessions(self, _instance: str, _protocol: Protocol) -> tuple[Session, ...]:
        return ()


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


class RingWorld:
    def __init__(self, watch: FlowWatch) -> None:
        self.watch, self.prefix = watch, f"kunring-{os.getpid()}-"
        self.drivers = {name: ResetsDriver(Inside(self.prefix + name), NoJool()) for name in MEMBERS}
        self.sockets: dict[str, socket.socket] = {}

    def nft(self, name: str, *words: str, stdin: str = "") -> str:
        argv = ["ip", "netns", "exec", self.prefix + name, "nft", *words]
        return subprocess.run(argv, input=stdin, check=True, capture_output=True, text=True).stdout

    def build(self) -> None:
        for name in (*MEMBERS, "p"):
            ip("netns", "add", self.prefix + name)
            ip("-n", self.prefix + name, "link", "set", "lo", "up")
        for name in MEMBERS:
            self._to_pod(name)
            self.nft(name, "-f", "-", stdin=JOOL)
        for one, other in combinations(MEMBERS, 2):
            self._ring_cable(one, other)
        self.nft("p", "-f", "-", stdin=SILENCE)

    def _to_pod(self, name: str) -> None:
        """The pod chooses the gateway by the interface; answers reach it by any."""
        there, here = self.prefix + name, self.prefix + "p"
        ip("link", "add", "kun64", "netns", there, "type", "veth", "peer", "name", f"to-{name}", "netns", here)
        mac = f"02:00:00:00:00:{ord(name):02x}"
        ip("-n", there, "link", "set", "kun64", "address", mac, "up")
        ip("-n", here, "link", "set", f"to-{name}", "address", "02:00:00:00:01:01", "up")
        ip("-n", there, "address", "add", "2002:a01:2:1::1/64", "dev", "kun64", "nodad")
        ip("-n", there, "neigh", "add", str(POD), "lladdr", "02:00:00:00:01:01", "dev", "kun64")
        ip("-n", here, "address", "add", f"{POD}/128", "dev", f"to-{name}", "nodad")
        ip("-n", here, "route", "add", "2002::/16", "dev", f"to-{name}", "metric", str(ord(name)))
        ip("-n", here, "neigh", "add", str(SERVER), "lladdr", mac, "dev", f"to-{name}")

    def _ring_cable(self, one: str, other: str) -> None:
        ends = ((one, other, "02:00:00:00:02:01"), (other, one, "02:00:00:00:02:02"))
        (here, there) = (ring_link(MEMBERS[to]) for _, to, _ in ends)
        ip("link", "add", here, "netns", self.prefix + one, "type", "veth", "peer", "name", there,
           "netns", self.prefix + other)  # fmt: skip
        for (name, to, mac), link in zip(ends, (here, there), strict=True):
            its = "02:00:00:00:02:02" if mac.endswith("1") else "02:00:00:00:02:01"
            # A tunnel has one address, and no neighbours to discover.
            ip("-n", self.prefix + name, "link", "set", link, "address", mac, "addrgenmode", "none", "up")
            ip("-n", self.prefix + name, "address", "add", f"{link_local(MEMBERS[name])}/64", "dev", link, "nodad")
            ip("-n", self.prefix + name, "neigh", "add", str(link_local(MEMBERS[to])), "lladdr", its, "dev", link)

    async def arm(self, steps: dict[str, RingStep]) -> None:
        for name, driver in self.drivers.items():
            await driver.observe(self.watch)
            await driver.apply(Change(Action.ADD, OrphanReset(self.watch)))
            await driver.apply(Change(Action.ADD, steps[name]))
            assert await driver.observe(self.watch) == {OrphanReset(self.watch), steps[name]}
            self.nft(name, "flush", "set", "ip6", "kun-nat64", "moving")

    def know(self, name: str, port: int, which: str = "flows") -> None:
        """As if this flow had begun there."""
        self.nft(name, "add", "element", "ip6", "kun-nat64", which, "{", TCP_KEY.format(port=port), "}")

    def send(self, name: str, port: int, flags: int = ACK, size: int = 0) -> None:
        """A TCP segment of the pod to this gateway."""
        segment = struct.pack("!HHIIBBHHH", port, 443, 1, 1, 5 << 4, flags, 1024, 0, 0) + b"x" * size
        self._socket(name, socket.IPPROTO_TCP).sendto(segment, (str(SERVER), 0))

    def send_datagram(self, name: str, port: int) -> None:
        datagram = struct.pack("!HHHH", port, 443, 12, 0) + b"data"
        self._socket(name, socket.IPPROTO_UDP).sendto(datagram, (str(SERVER), 0))

    def _socket(self, name: str, protocol: int) -> socket.socket:
        key = f"{name}-{protocol}"
        if key not in self.sockets:
            self.sockets[key] = make_inside(self.prefix + "p", lambda: _raw(protocol, f"to-{name}"))
        return self.sockets[key]

    def is_reset(self, port: int, within_s: float) -> bool:
        """Whether the pod gets a RST by any interface."""
        self.listen()
        return is_reset(self.sockets["all"], port, within_s)

    def listen(self) -> None:
        """From here on: is_reset hears what has come since."""
        if "all" not in self.sockets:
            self.sockets["all"] = make_inside(self.prefix + "p", lambda: _raw(socket.IPPROTO_TCP, ""))

    def translated(self) -> dict[str, int]:
        """Packets that got to where Jool would be."""
        found = {}
        for name in MEMBERS:
            listed = json.loads(self.nft(name, "-j", "list", "table", "ip6", "translator"))["nftables"]
            rule = next(one["rule"] for one in listed if "rule" in one)
            found[name] = sum(part["counter"]["packets"] for part in rule["expr"] if "counter" in part)
        return found

    async def counts(self, name: str) -> dict[str, int]:
        await self.drivers[name].observe(self.watch)
        ring = self.drivers[name].ring
        assert ring is not None
        return {key: getattr(ring, key) for key in ring.__slots__ if getattr(ring, key)}

    def inject(self, name: str, sender: str, label: int, flags: int = ACK, port: int = 1) -> None:
        """A packet out of the cable from `sender`, as nobody of ours would send it."""
        segment = struct.pack("!HHIIBBHHH", port, 443, 1, 1, 5 << 4, flags, 1024, 0, 0)
        head = struct.pack("!IHBB", 6 << 28 | label, len(segment), 6, 64) + POD.packed + SERVER.packed
        wire = make_inside(self.prefix + sender, lambda: _packet_socket(ring_link(MEMBERS[name])))
        macs = bytes.fromhex("020000000201"), bytes.fromhex("020000000202")
        own = wire.getsockname()[4]
        wire.send(next(mac for mac in macs if mac != own) + own + b"\x86\xdd" + head + segment)
        wire.close()

    def close(self) -> None:
        for sock in self.sockets.values():
            sock.close()
        for name in (*MEMBERS, "p"):
            subprocess.run(["ip", "netns", "delete", self.prefix + name], check=False, capture_output=True)


def _raw(protocol: int, device: str) -> socket.socket:
    made = socket.socket(socket.AF_INET6, socket.SOCK_RAW, protocol)
    made.setsockopt(socket.IPPROTO_IPV6, 7, 16 if protocol == socket.IPPROTO_TCP else 6)  # IPV6_CHECKSUM
    if device:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    made.bind((str(POD), 0))
    return made


def _packet_socket(device: str) -> socket.socket:
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    made.bind((device, 0x86DD))
    return made


@contextmanager
def ring_world(watch: FlowWatch) -> Iterator[RingWorld]:
    world = RingWorld(watch)
    try:
        world.build()
        yield world
    finally:
        world.close()


def label(left: int) -> int:
    return FIRST_LABEL + left


def with_rate(watch: FlowWatch, flows_s: int) -> FlowWatch:
    return replace(watch, ring_flows_s=flows_s)
