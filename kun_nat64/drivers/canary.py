"""The canary: packets that leave this gateway the way a pod's do, through the tunnel, the rules and the translator.

Jool does not see what the gateway itself sends, so the probes start in a network namespace of their own, which has a
6to4 tunnel to the VIP just as a node has. The sockets are made inside it once and used from the agent's event loop.
"""

import asyncio
import math
import select
import socket
import time
from ipaddress import IPv6Address
from typing import Protocol

from kun_base.prefix import Prefix
from kun_nat64.drivers.netns import make_inside, namespace_identity
from kun_nat64.drivers.probelanes import (
    FIRST_PORT,
    DnsLane,
    IcmpLane,
    Lane,
    Report,
    TcpLane,
    raw_socket,
    tcp_sockets,
    udp_socket,
)
from kun_nat64.formats import icmp6
from kun_nat64.model.health import ProbeResult, Symptom
from kun_nat64.model.spec import HealthSpec, Target, TargetKind

FIRST_IDENT = 0x6B75
LARGEST_PACKET = 2048
# Packets read before the event loop has its turn again. Taking a handshake back makes a sound of its own, too.
MOST_AT_ONCE = 256


class Prober(Protocol):
    """What the agent needs of a canary; the tests have one without a network."""

    def fire(self, now: float) -> None: ...
    def expire(self, now: float, lag_s: float) -> None: ...
    def next_expiry(self) -> float | None: ...
    def renew(self) -> str | None: ...
    def close(self) -> None: ...


class Canary:
    """`report` is called once for every probe fired, with what became of it, on the event loop."""

    def __init__(self, spec: HealthSpec, pool6: Prefix, report: Report) -> None:
        self._spec, self._pool6, self._report = spec, pool6, report
        # One more slot than probes can be in flight, so that no slot is needed twice at once.
        self._slots = max(8, math.ceil(spec.timeout_s / spec.interval_s) + 1)
        self._lanes: list[Lane] = []
        self._by_ident: dict[int, IcmpLane] = {}
        self._by_descriptor: dict[int, Lane] = {}
        self._raw: socket.socket | None = None
        self._ears: select.epoll | None = None
        self._identity: tuple[int, int] | None = None

    def renew(self) -> str | None:
        """Opens the sockets, or opens them anew where the namespace is another one than before. Says why it cannot."""
        identity = namespace_identity(self._spec.probe_netns)
        if identity is not None and identity == self._identity:
            return None
        self.close()
        if identity is None:
            return f"no network namespace {self._spec.probe_netns}"
        try:
            make_inside(self._spec.probe_netns, self._open)
        except OSError as error:
            self.close()
            return f"cannot open the probe sockets in {self._spec.probe_netns}: {error}"
        self._identity = identity
        self._listen()
        return None

    def _open(self) -> None:
        self._raw = raw_socket()
        for index, target in enumerate(self._spec.targets):
            self._lanes.append(self._lane(index, target))

    def _lane(self, index: int, target: Target) -> Lane:
        address = self._pool6.embed(target.address)
        first_port = FIRST_PORT + index * self._slots
        match target.kind:
            case TargetKind.TCP:
                return TcpLane(target, address, self._report, tcp_sockets(first_port, self._slots))
            case TargetKind.DNS:
                return DnsLane(target, address, self._report, udp_socket(first_port))
            case TargetKind.ICMP:
                assert self._raw is not None
                lane = IcmpLane(target, address, self._report, self._raw, FIRST_IDENT + index)
                self._by_ident[lane.ident] = lane
                return lane

    def _listen(self) -> None:
        """One descriptor for the event loop: what comes together is read at once.

        The lanes are edge-triggered, for a disconnected TCP socket is always "writable".
        """
        assert self._raw is not None
        self._ears = select.epoll()
        self._ears.register(self._raw, select.EPOLLIN)
        for lane in self._lanes:
            event = select.EPOLLOUT if isinstance(lane, TcpLane) else select.EPOLLIN
            for sock in lane.sockets():
                self._by_descriptor[sock.fileno()] = lane
                self._ears.register(sock, event | select.EPOLLET)
        asyncio.get_running_loop().add_reader(self._ears, self._hear)

    def fire(self, now: float) -> None:
        """One probe to each target. Without sockets every one of them is unknown: nothing was proven either way."""
        if not self._lanes:
            for target in self._spec.targets:
                self._report(ProbeResult(target, Symptom.NOT_SENT, detail=f"no sockets in {self._spec.probe_netns}"))
            return
        for lane in self._lanes:
            lane.send(now)

    def expire(self, now: float, lag_s: float) -> None:
        """Ends what is overdue at `now`. `lag_s`: how late this call is itself; after a stall nothing is proven."""
        overdue = now - self._spec.timeout_s
        if all(sent > overdue for lane in self._lanes for sent in lane.in_flight.values()):
            return
        self._hear()
        symptom = Symptom.STALLED if lag_s > self._spec.timeout_s else Symptom.TIMEOUT
        for lane in self._lanes:
            lane.expire(overdue, symptom, now)

    def next_expiry(self) -> float | None:
        """When the oldest probe in flight is overdue; None: nothing is in flight."""
        sent = [at for lane in self._lanes for at in lane.in_flight.values()]
        return min(sent) + self._spec.timeout_s if sent else None

    def close(self) -> None:
        """Probes in flight end without a report. Safe to call twice."""
        if self._ears is not None:
            asyncio.get_running_loop().remove_reader(self._ears)
            self._ears.close()
        for lane in self._lanes:
            lane.close()
        if self._raw is not None:
            self._raw.close()
        self._raw, self._ears, self._identity = None, None, None
        self._lanes, self._by_ident, self._by_descriptor = [], {}, {}

    def _hear(self) -> None:
        """What has arrived; first the raw socket, which knows who sent an error that a lane only notices."""
        if self._ears is None or self._raw is None:
            return
        for _ in range(MOST_AT_ONCE):
            descriptors = [descriptor for descriptor, _ in self._ears.poll(0)]
            if not descriptors:
                return
            if self._raw.fileno() in descriptors:
                self._hear_raw(self._raw)
            for descriptor in descriptors:
                if descriptor in self._by_descriptor:
                    self._by_descriptor[descriptor].drain(time.monotonic())

    def _hear_raw(self, raw: socket.socket) -> None:
        """All packets that wait: an error not read here would be taken for one from the gateway by its lane."""
        for _ in range(MOST_AT_ONCE):
            try:
                data, source = raw.recvfrom(LARGEST_PACKET)
            except BlockingIOError:
                return
            except OSError:
                continue  # an error about an earlier packet; its ICMPv6 message comes here as a packet, too
            self._take(icmp6.parse(data), source[0].partition("%")[0])

    def _take(self, packet: icmp6.Echo | icmp6.Error | None, source: str) -> None:
        now = time.monotonic()
        match packet:
            case icmp6.Echo(ident, seq):
                asked = self._by_ident.get(ident)
                if asked is not None and asked.is_at(source):
                    asked.finish(seq, Symptom.ANSWERED, now)
            case icmp6.Error():
                sender = IPv6Address(source)
                symptom = self._symptom_of(packet, sender)
                for lane in self._lanes:
                    if lane.address == packet.about and lane.next_header == packet.next_header:
                        lane.finish_all(symptom, now, sender)

    def _symptom_of(self, error: icmp6.Error, source: IPv6Address) -> Symptom:
        if source == error.about and (error.type, error.code) == (icmp6.UNREACHABLE, icmp6.PORT_UNREACHABLE):
            return Symptom.REFUSED
        if source == error.sender:  # the namespace's own kernel could not send it, so the gateway never had it
            return Symptom.NOT_SENT
        return Symptom.NO_ROUTE_HERE if self._pool6.extract(source) is None else Symptom.NO_ROUTE_BEYOND
