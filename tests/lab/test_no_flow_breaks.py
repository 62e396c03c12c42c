"""A gateway is drained and comes back, and the router hashes anew: what long flows of a pod notice with the ring."""

from collections.abc import Iterator
from functools import partial

import pytest

from lab.api import Lab
from lab.unbroken import Load, drained, killed, long_flows, rehashed, returned, ring_packets
from tests.lab.injection import BACK_S, status
from tests.lab.questions import CONFIG, all_together, announced

FILTERED = "protocol 41 from 10.2.2.2 to 10.2.1.2 is dropped on the way, the other direction works: a filter"
FEW = Load(downloads=8, uploads=8, echoes=16, interval_s=1.0)
# This takes minutes: on request, with `-m faults`.
pytestmark = pytest.mark.faults


def _others_answer(lab: Lab, name: str) -> bool:
    return len(answering(lab, name)) == 2


@pytest.fixture(scope="module", autouse=True)
def with_ring(lab: Lab) -> Iterator[None]:
    """Every gateway hears the others, and serves at the end."""
    all_together(lab)
    names = [gateway.name for gateway in lab.topology.gateways]
    for name in names:
        lab.wait_for(partial(_others_answer, lab, name), BACK_S, f"the ring of {name}")
    yield
    for name in names:
        if status(lab, name)["drain"]["phase"] != "serving":
            lab.run(name, "kun-nat64", "undrain")
    all_together(lab)


def answering(lab: Lab, host: str) -> list[str]:
    found: list[str] = status(lab, host)["ring"]["answering"]
    return found


def test_drain_return_and_rehash_end_no_tcp_flow_and_udp_keeps_its_port(lab: Lab) -> None:
    with long_flows(lab, FEW):
        rows = [drained(lab, FEW, "gw2")]
        phase = status(lab, "gw2")["drain"]
        rows += [returned(lab, FEW, "gw2"), rehashed(lab, FEW)]
        moved = sum(ring_packets(lab, gateway.name)["taken"] for gateway in lab.topology.gateways)
        assert [row.tcp_lost for row in rows] == [0, 0, 0], "\n".join(map(str, rows))
        assert all(row.udp_kept >= 0.99 for row in rows), "\n".join(map(str, rows))
        assert moved > 0, "no flow moved: nothing was shown"
        assert phase["borrowed"] or not phase["left"], "a drained gateway says how many flows come by way of others"


def test_a_filter_in_one_direction_between_two_gateways_is_named_by_both_and_by_doctor(lab: Lab) -> None:
    rule = ("FORWARD", "-s", "10.2.2.2", "-d", "10.2.1.2", "-p", "41", "-j", "DROP")
    lab.run("tor", "iptables", "-I", *rule)
    try:
        for host in ("gw1", "gw2"):
            lab.wait_for(partial(_is_named, lab, host), BACK_S, f"the warning of {host}")
        said = lab.run("gw1", "kun-nat64", "doctor", "--config", CONFIG, timeout_s=240, check=False)
        assert FILTERED in " ".join(said.stdout.split()), said.stdout
    finally:
        lab.run("tor", "iptables", "-D", *rule)
    for host in ("gw1", "gw2"):
        lab.wait_for(partial(_hears_all, lab, host), BACK_S, f"{host} to hear everybody again")


def _is_named(lab: Lab, host: str) -> bool:
    return FILTERED in ring_warning(lab, host)


def _hears_all(lab: Lab, host: str) -> bool:
    return not ring_warning(lab, host)


def ring_warning(lab: Lab, host: str) -> str:
    return str(status(lab, host)["warnings"].get("ring", ""))


def test_a_dead_gateways_own_flows_end_by_rst_and_no_others(lab: Lab) -> None:
    """TCP sends again after 200 ms at the earliest: what is answered sooner, was answered at once."""
    try:
        with long_flows(lab, FEW):
            end = killed(lab, FEW, "gw3")
        assert end.ended == end.own, str(end)
        assert end.resets.keys() == end.own, str(end)
        assert all(reset.delay_s < 0.2 for reset in end.resets.values()), str(end)
        assert end.moved == [], str(end)
    finally:
        lab.heal("gw3")
        lab.wait_for(lambda: announced(lab, "gw3"), BACK_S, "gw3 back")
