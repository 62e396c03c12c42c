"""Packets are taken apart as they are on the wire."""

import struct
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.capture import Packet, parse_ip, parse_pcap, tcp_mss

SYN, SYN_ACK, ACK = 0x02, 0x12, 0x10
MSS_1420 = bytes([2, 4, 0x05, 0x8C])


def tcp(flags: int, options: bytes = b"", payload: bytes = b"") -> bytes:
    options += b"\x00" * (-len(options) % 4)
    return (
        struct.pack(">HHIIBBHHH", 40000, 80, 1, 0, (5 + len(options) // 4) << 4, flags, 65535, 0, 0) + options + payload
    )


def udp(payload: bytes) -> bytes:
    return struct.pack(">HHHH", 5353, 53, 8 + len(payload), 0) + payload


def ipv6(protocol: int, body: bytes) -> bytes:
    head = struct.pack(">IHBB", 6 << 28, len(body), protocol, 64)
    return head + IPv6Address("2001:db8::1").packed + IPv6Address("2001:db8::2").packed + body


def ipv4(protocol: int, body: bytes, options: bytes = b"") -> bytes:
    words = 5 + len(options) // 4
    head = struct.pack(">BBHHHBBH", 0x40 | words, 0, words * 4 + len(body), 0, 0, 64, protocol, 0)
    return head + IPv4Address("192.0.2.1").packed + IPv4Address("192.0.2.2").packed + options + body


def frame(data: bytes) -> bytes:
    return b"\x00" * 12 + (b"\x86\xdd" if data[0] >> 4 == 6 else b"\x08\x00") + data


def pcap(*frames: bytes, link_type: int = 1) -> bytes:
    out = struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, link_type)
    for number, data in enumerate(frames):
        out += struct.pack("<IIII", 100 + number, 500000, len(data), len(data)) + data
    return out


def only(data: bytes) -> Packet:
    packet = parse_ip(data, 0.0)
    assert packet is not None
    return packet


def test_syn_and_its_mss_over_ipv6() -> None:
    packet = only(ipv6(6, tcp(SYN, MSS_1420)))
    assert (packet.source, packet.source_port) == ("2001:db8::1", 40000)
    assert (packet.is_syn, packet.is_syn_ack, packet.mss) == (True, False, 1420)


def test_syn_ack_is_not_a_syn() -> None:
    packet = only(ipv4(6, tcp(SYN_ACK, MSS_1420)))
    assert (packet.is_syn, packet.is_syn_ack) == (False, True)


def test_a_plain_segment_has_a_payload_and_no_mss() -> None:
    packet = only(ipv4(6, tcp(ACK, payload=b"GET /")))
    assert (packet.is_syn, packet.is_syn_ack, packet.mss, packet.payload) == (False, False, None, b"GET /")


def test_protocol_41_carries_its_inner_packet() -> None:
    packet = only(ipv4(41, ipv6(6, tcp(SYN, MSS_1420))))
    assert (packet.protocol, packet.source, packet.destination) == (41, "192.0.2.1", "192.0.2.2")
    assert packet.inner is not None
    assert (packet.inner.destination, packet.inner.mss) == ("2001:db8::2", 1420)


def test_ipv4_options_are_skipped() -> None:
    assert only(ipv4(17, udp(b"hello"), options=b"\x94\x04\x00\x00")).payload == b"hello"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param(MSS_1420, 1420, id="alone"),
        pytest.param(b"\x01\x01" + MSS_1420, 1420, id="after-padding"),
        pytest.param(b"\x03\x03\x07" + MSS_1420, 1420, id="after-window-scale"),
        pytest.param(b"\x00" + MSS_1420, None, id="after-the-end-of-the-list"),
        pytest.param(b"\x02\x04\x05", None, id="cut-off"),
        pytest.param(b"\x03\x00" + MSS_1420, None, id="option-of-length-zero"),
        pytest.param(b"", None, id="none"),
    ],
)
def test_mss_is_found_among_other_options(options: bytes, expected: int | None) -> None:
    assert tcp_mss(options) == expected


def test_pcap_keeps_order_and_time() -> None:
    packets = parse_pcap(pcap(frame(ipv4(17, udp(b"1"))), frame(ipv6(17, udp(b"2")))))
    assert [(p.time, p.payload) for p in packets] == [(100.5, b"1"), (101.5, b"2")]


def test_frames_that_are_not_ip_are_left_out() -> None:
    arp = b"\x00" * 12 + b"\x08\x06" + b"\x00" * 28
    assert parse_pcap(pcap(arp)) == []


def test_a_frame_cut_off_by_the_end_of_the_file_is_left_out() -> None:
    data = pcap(frame(ipv4(17, udp(b"1"))), frame(ipv4(17, udp(b"2"))))
    assert len(parse_pcap(data[:-3])) == 1


def test_an_empty_capture_has_no_packets() -> None:
    assert parse_pcap(b"") == []


def test_another_link_type_is_refused() -> None:
    with pytest.raises(ValueError, match="link type 113"):
        parse_pcap(pcap(link_type=113))


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_packet_parser(data: bytes) -> None:
    parse_ip(data, 0.0)


@given(st.binary(max_size=60))
def test_no_bytes_crash_the_option_parser(data: bytes) -> None:
    tcp_mss(data)
