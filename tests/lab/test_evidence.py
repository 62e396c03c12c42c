"""A step counts as proven only when its own evidence is there."""

from dataclasses import replace

import dns.flags
import dns.message
import dns.rrset
import pytest

from lab.capture import Packet
from lab.evidence import Observations, embedded, prove
from lab.topology import topology

PLAN = topology(3)
NAME = "www.example.net"
TARGET = "2002:cb00:7101::c633:6450"
SYN, SYN_ACK = 0x02, 0x12


def dns_packet(source: str, destination: str, kind: str, *answers: str, response: bool = False) -> Packet:
    message = dns.message.make_query(NAME, kind)
    if response:
        message.flags |= dns.flags.QR
    if answers:
        message.answer.append(dns.rrset.from_text(f"{NAME}.", 60, "IN", kind, *answers))
    ports = (53, 40000) if response else (40000, 53)
    return Packet(1.0, source, destination, 17, 80, *ports, payload=message.to_wire())


def segment(source: str, destination: str, ports: tuple[int, int], flags: int, mss: int) -> Packet:
    return Packet(1.0, source, destination, 6, 60, *ports, flags, mss)


def complete() -> Observations:
    pod, server, dns_host = PLAN.pod_address, PLAN.dns64_address, "192.0.2.53"
    inner = segment(pod, TARGET, (41000, 80), SYN, 8740)
    public = "192.0.2.12"
    return Observations(
        name=NAME,
        page={"text": "hello", "client": public, "port": 23456, "server": "198.51.100.80"},
        at_pod=[
            dns_packet(pod, server, "AAAA"),
            dns_packet(server, pod, "AAAA", TARGET, response=True),
            inner,
            segment(TARGET, pod, (80, 41000), SYN_ACK, 1420),
        ],
        at_dns=[
            dns_packet(dns_host, "198.51.100.53", "A"),
            dns_packet("198.51.100.53", dns_host, "AAAA", response=True),
            dns_packet("198.51.100.53", dns_host, "A", "198.51.100.80", response=True),
        ],
        at_tor=[Packet(1.0, "10.1.0.2", "203.0.113.1", 41, 80, inner=inner)],
        outside=[
            segment(public, "198.51.100.80", (23456, 80), SYN, 1420),
            segment("198.51.100.80", public, (80, 23456), SYN_ACK, 1460),
        ],
        route="".join(f"\tnexthop via 10.2.{n}.2 dev gw{n} weight 1\n" for n in (1, 2, 3)),
        sessions={"gw2": f"TCP,{pod},41000,{TARGET},80,{public},23456,198.51.100.80,80,0:04:00,TRANS\n"},
        rules={"gw2": "-A PREROUTING -j TCPMSS --set-mss 1420\n-A POSTROUTING -j TCPMSS --set-mss 1420\n"},
    )


def without_proof(seen: Observations) -> set[int]:
    return {step.number for step in prove(PLAN, seen) if not step.ok}


def test_seven_steps_are_proven_by_complete_observations() -> None:
    steps = prove(PLAN, complete())
    assert [(step.number, step.ok) for step in steps] == [(n, True) for n in range(1, 8)]


def test_the_address_of_the_design_embeds_as_it_says() -> None:
    assert embedded("180.97.33.108") == "2002:cb00:7101::b461:216c"


def only_others(packets: list[Packet], gone: Packet) -> list[Packet]:
    return [packet for packet in packets if packet is not gone]


FULL = complete()


@pytest.mark.parametrize(
    ("seen", "failing"),
    [
        pytest.param(replace(FULL, at_pod=FULL.at_pod[1:]), {1}, id="no question of the pod"),
        pytest.param(replace(FULL, at_dns=FULL.at_dns[1:]), {2}, id="no question upstream"),
        pytest.param(replace(FULL, at_dns=FULL.at_dns[:2]), {3}, id="no answer upstream"),
        pytest.param(replace(FULL, at_pod=only_others(FULL.at_pod, FULL.at_pod[1])), {4}, id="no answer at the pod"),
        pytest.param(replace(FULL, at_tor=[]), {5}, id="no packet of protocol 41"),
        pytest.param(replace(FULL, route="203.0.113.1 via 10.2.1.2 dev gw1"), {5}, id="one next hop of three"),
        pytest.param(replace(FULL, sessions={"gw2": ""}), {6}, id="no session in Jool"),
        pytest.param(replace(FULL, rules={"gw2": ""}), {6}, id="no MSS rules"),
        pytest.param(replace(FULL, page={"error": "timed out"}), {6, 7}, id="no page"),
    ],
)
def test_missing_evidence_fails_its_step_and_no_other(seen: Observations, failing: set[int]) -> None:
    assert without_proof(seen) == failing


def test_a_syn_that_leaves_with_another_mss_is_no_proof() -> None:
    outside = [replace(FULL.outside[0], mss=8740), FULL.outside[1]]
    assert without_proof(replace(FULL, outside=outside)) == {6}


def test_a_name_with_a_real_aaaa_proves_nothing_about_synthesis() -> None:
    native = dns_packet("198.51.100.53", "192.0.2.53", "AAAA", "2001:db8:80::80", response=True)
    assert without_proof(replace(FULL, at_dns=[*FULL.at_dns, native][::-1])) == {3}


def test_names_are_compared_without_case() -> None:
    spelled = dns.message.make_query("wWw.ExAmple.nEt", "A").to_wire()
    asked = replace(FULL.at_dns[0], payload=spelled)
    assert without_proof(replace(FULL, at_dns=[asked, *FULL.at_dns[1:]])) == set()
