"""Packets that tcpdump recorded, taken apart as far as the lab's questions go. Pure: bytes in, values out."""

import struct
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

_ETHERTYPES = {0x0800: 4, 0x86DD: 6}
_TCP, _SIXTO4 = 6, 41
_SYN, _ACK = 0x02, 0x10


@dataclass(frozen=True, slots=True)
class Packet:
    """One IP packet. Of protocol 41, `inner` is the IPv6 packet it carries. Without TCP or UDP, ports and flags are 0.

    `payload` is what was recorded of it: a capture keeps the first bytes of a packet only.
    """

    time: float
    source: str
    destination: str
    protocol: int
    length: int
    source_port: int = 0
    destination_port: int = 0
    tcp_flags: int = 0
    mss: int | None = None
    payload: bytes = b""
    inner: "Packet | None" = None

    @property
    def is_syn(self) -> bool:
        return self.protocol == _TCP and self.tcp_flags & (_SYN | _ACK) == _SYN

    @property
    def is_syn_ack(self) -> bool:
        return self.protocol == _TCP and self.tcp_flags & (_SYN | _ACK) == _SYN | _ACK


@dataclass(slots=True)
class Capture:
    packets: list[Packet] = field(default_factory=list)

    def read(self, data: bytes) -> None:
        self.packets = parse_pcap(data)


def parse_pcap(data: bytes) -> list[Packet]:
    """The IP packets of a little-endian pcap file with Ethernet frames; a frame cut off at the end is left out."""
    packets: list[Packet] = []
    if len(data) < 24:
        return packets
    magic, link_type = struct.unpack_from("<I", data)[0], struct.unpack_from("<I", data, 20)[0]
    if magic != 0xA1B2C3D4 or link_type != 1:
        raise ValueError(f"not a little-endian Ethernet pcap (magic {magic:#x}, link type {link_type})")
    at = 24
    while at + 16 <= len(data):
        seconds, microseconds, size, _ = struct.unpack_from("<IIII", data, at)
        frame = data[at + 16 : at + 16 + size]
        at += 16 + size
        if len(frame) < size or size < 14 or struct.unpack_from(">H", frame, 12)[0] not in _ETHERTYPES:
            continue
        packet = parse_ip(frame[14:], seconds + microseconds / 1e6)
        if packet:
            packets.append(packet)
    return packets


def parse_ip(data: bytes, time: float) -> Packet | None:
    """None for what is too short or no IP packet."""
    version = data[0] >> 4 if data else 0
    if version == 4 and len(data) >= 20:
        head = (data[0] & 0x0F) * 4
        source, destination = str(IPv4Address(data[12:16])), str(IPv4Address(data[16:20]))
        return _upper(data[head:], time, source, destination, data[9], struct.unpack_from(">H", data, 2)[0])
    if version == 6 and len(data) >= 40:
        source, destination = str(IPv6Address(data[8:24])), str(IPv6Address(data[24:40]))
        return _upper(data[40:], time, source, destination, data[6], struct.unpack_from(">H", data, 4)[0] + 40)
    return None


def _upper(data: bytes, time: float, source: str, destination: str, protocol: int, length: int) -> Packet:
    if protocol == _SIXTO4:
        return Packet(time, source, destination, protocol, length, inner=parse_ip(data, time))
    if protocol not in (_TCP, 17) or len(data) < 8:
        return Packet(time, source, destination, protocol, length)
    ports = struct.unpack_from(">HH", data)
    if protocol != _TCP:
        return Packet(time, source, destination, protocol, length, ports[0], ports[1], payload=data[8:])
    if len(data) < 20:
        return Packet(time, source, destination, protocol, length, ports[0], ports[1])
    head = (data[12] >> 4) * 4
    options, payload = data[20:head], data[head:]
    flags, mss = data[13], tcp_mss(options)
    return Packet(time, source, destination, protocol, length, ports[0], ports[1], flags, mss, payload)


def tcp_mss(options: bytes) -> int | None:
    """The maximum segment size option (RFC 9293 section 3.2), if the segment carries one."""
    at = 0
    while at < len(options):
        kind = options[at]
        if kind == 0:
            return None
        if kind == 1:
            at += 1
            continue
        if at + 1 >= len(options) or options[at + 1] < 2:
            return None
        if kind == 2 and options[at + 1] == 4 and at + 4 <= len(options):
            return int(struct.unpack_from(">H", options, at + 2)[0])
        at += options[at + 1]
    return None
