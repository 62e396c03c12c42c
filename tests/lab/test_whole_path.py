"""From a pod without IPv4 to IPv4-only servers, by name, over real parts."""

import pytest

from lab.api import Lab
from tests.lab.questions import embedded, page, public_addresses

pytestmark = pytest.mark.both_debians
TRIES = 24


def test_http_goes_through_different_gateways(lab: Lab) -> None:
    seen = {page(lab)["client"] for _ in range(TRIES)}
    assert seen <= public_addresses(lab)
    assert len(seen) >= 2, f"{TRIES} connections all went through {seen}"


def test_ping_goes_through_different_gateways(lab: Lab) -> None:
    sources = [f"2002:a01:2:1::{n:x}" for n in range(0x100, 0x10C)]
    target = embedded(lab.topology.ping_server)
    lab.run("pod", "ip", "-batch", "-", stdin=_addresses("add", sources))
    try:
        with lab.capture("internet", "lan0", "icmp[icmptype] == icmp-echo") as capture:
            for source in sources:
                lab.run("pod", "ping", "-6", "-c", "1", "-W", "5", "-I", source, target)
    finally:
        lab.run("pod", "ip", "-batch", "-", stdin=_addresses("del", sources))
    seen = {packet.source for packet in capture.packets}
    assert len(seen & public_addresses(lab)) >= 2, seen


def _addresses(action: str, addresses: list[str]) -> str:
    ending = " nodad" if action == "add" else ""
    return "".join(f"addr {action} {address}/128 dev eth0{ending}\n" for address in addresses)


def test_udp_goes_through_different_gateways(lab: Lab) -> None:
    script = f"""
import socket
for number in range({TRIES}):
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.sendto(b"%d" % number, ("{embedded(lab.topology.web_server)}", {lab.topology.echo_port}))
        print(sock.recv(100).decode())
"""
    answers = lab.output("pod", "python3", "-IS", "-c", script, timeout_s=150).splitlines()
    assert [int(answer.split()[2]) for answer in answers] == list(range(TRIES))
    seen = {answer.split()[0] for answer in answers}
    assert seen <= public_addresses(lab)
    assert len(seen) >= 2, seen


def test_mss_is_1420_on_syn_outside_and_on_syn_ack_at_the_pod(lab: Lab) -> None:
    with lab.capture("pod", "eth0", "tcp port 80") as at_pod, lab.capture("internet", "lan0", "tcp port 80") as outside:
        page(lab)
    assert [p.mss for p in at_pod.packets if p.is_syn] == [8740], "what the pod offers: its MTU of 8800 less headers"
    assert [p.mss for p in at_pod.packets if p.is_syn_ack] == [1420]
    from_pod = [p for p in outside.packets if p.source in public_addresses(lab)]
    assert {p.mss for p in from_pod if p.is_syn} == {1420}
    assert {p.mss for p in outside.packets if p.is_syn_ack and p.destination in public_addresses(lab)} == {1460}


def test_the_pods_packets_travel_as_protocol_41_to_the_vip(lab: Lab) -> None:
    with lab.capture("tor", "node0", "ip proto 41") as capture:
        page(lab)
    carried = [p for p in capture.packets if p.inner is not None and p.inner.destination_port == 80]
    assert carried
    assert {(p.source, p.destination) for p in carried} == {("10.1.0.2", "203.0.113.1")}


@pytest.mark.parametrize("size", [1_000_000])
def test_a_large_answer_arrives_whole(lab: Lab, size: int) -> None:
    url = f"http://www.{lab.topology.zone}/bytes?n={size}"
    got = lab.output("pod", "curl", "-sS", "--max-time", "60", "-o", "/dev/null", "-w", "%{size_download}", url)
    assert int(got) == size


def test_what_never_reach_names_is_not_reached(lab: Lab) -> None:
    """127.0.0.1 in the VIP's prefix would be the gateway itself, with its unauthenticated BGP port."""
    url = f"http://[{embedded('127.0.0.1')}]:50051/"
    done = lab.run("pod", "curl", "-sS", "--max-time", "3", url, check=False)
    # 28: no answer, 7: refused on the way. A speaker that was reached answers something that is no HTTP/1: other codes.
    assert done.code in (7, 28), done.stderr
