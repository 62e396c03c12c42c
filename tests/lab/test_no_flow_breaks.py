"""A gateway is drained and comes back, and the router hashes anew: what long flows of a pod notice with the ring."""

from collections.abc import Iterator
from functools import partial

import pytest

from lab.api import Lab
from lab.unbroken import Load, drained, killed, long_flows, rehashed, returned, ring_packets
from tests.lab.injection import BACK_S, status
from tests.lab.questions import CONFIG, all_together, announced

FEW = Load(downloads=8, uploads=8, echoes=16, interval_s=1.0)
# The ring is off by default, and this takes minutes: on request, with `-m faults`.
pytestmark = pytest.mark.faults


def _others_answer(lab: Lab, name: str) -> bool:
    return len(answering(lab, name)) == 2


@pytest.fixture(scope="module", autouse=True)
def with_ring(lab: Lab) -> Iterator[None]:
    """The ring on every gateway, and off again at the end."""
    all_together(lab)
    names = [gateway.name for gateway in lab.topology.gateways]
    files = {name: lab.output(name, "cat", CONFIG) for name in names}
    try:
        for name in names:
            set_file(lab, name, files[name].replace("ring = false", "ring = true", 1))
        for name in names:
            lab.wait_for(partial(_others_answer, lab, name), BACK_S, f"the ring of {name}")
        all_together(lab)
        yield
    finally:
        for name in names:
            if status(lab, name)["drain"]["phase"] != "serving":
                lab.run(name, "kun-nat64", "undrain")
            set_file(lab, name, files[name])
        all_together(lab)


def set_file(lab: Lab, gateway: str, text: str) -> None:
    """A restart of the agent, which disturbs no flow."""
    lab.run(gateway, "sh", "-c", f"cat > {CONFIG}", stdin=text)
    lab.restart_service(gateway, "kun-nat64")
    lab.wait_for(lambda: answers(lab, gateway), BACK_S, f"the agent of {gateway} to answer")
    lab.wait_for(lambda: announced(lab, gateway), BACK_S, f"{gateway} announced")


def answers(lab: Lab, gateway: str) -> bool:
    inside = lab.topology.gateway(gateway).inside
    return lab.run(gateway, "curl", "-s", "-o", "/dev/null", f"http://{inside}:9465/healthz", check=False).code == 0


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
