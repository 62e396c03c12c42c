"""A gateway is drained, comes back and dies, and the router hashes anew: what long flows of a pod notice."""

import json
from collections.abc import Iterator

import pytest
from injection import BACK_S, status
from questions import CONFIG, all_together, announced

from lab.api import Lab
from lab.unbroken import Load, drained, killed, long_flows, rehashed, returned, ring_packets

FEW = Load(downloads=8, uploads=8, echoes=16, interval_s=1.0)
# Emulated, beside other work. Measured alone it is a few milliseconds.
RESET_S = 0.5


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
            lab.wait_for(lambda name=name: len(answering(lab, name)) == 2, BACK_S, f"the ring of {name}")
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


@pytest.mark.both_debians
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
        dead = killed(lab, FEW, "gw3")
    try:
        assert dead.change.tcp_lost == dead.change.own_tcp, f"its own flows, and no others: {dead.change}"
        assert len(dead.delays) == dead.change.own_tcp, "by RST"
        assert all(one < RESET_S for one in dead.delays)
    finally:
        lab.heal("gw3")
        lab.wait_for(lambda: announced(lab, "gw3"), BACK_S, "gw3 back")


def test_a_filter_in_one_direction_between_gateways_is_named(lab: Lab) -> None:
    """gw1 hears nothing of gw2 any more, in the ring alone."""
    its = lab.topology.gateway("gw2").inside
    rule = ("INPUT", "-s", its, "-p", "41", "-j", "DROP")
    lab.run("gw1", "iptables", "-I", *rule)
    try:
        lab.wait_for(lambda: its not in answering(lab, "gw1"), 10, "gw1 to leave gw2 out")
        words = lab.wait_for(lambda: status(lab, "gw1")["warnings"].get("ring"), 60, "gw1 to say so")
        assert words == f"protocol 41 from {its} to 10.2.1.2 is dropped on the way, the other direction works: a filter"
        assert words in lab.run("gw1", "kun-nat64", "doctor", "--config", CONFIG, check=False).stdout
    finally:
        lab.run("gw1", "iptables", "-D", *rule)
    lab.wait_for(lambda: its in answering(lab, "gw1"), 10, "gw2 in the ring again")


def test_what_somebody_does_to_the_ring_is_mended_and_the_plan_stays_empty(lab: Lab) -> None:
    lab.run("gw1", "sh", "-ec", "ip link del kunr-0a020202; nft flush chain ip6 kun-nat64 onward")
    lab.wait_for(lambda: "kunr-0a020202" in lab.output("gw1", "ip", "-br", "link"), BACK_S, "the tunnel to be mended")
    lab.wait_for(lambda: len(answering(lab, "gw1")) == 2, BACK_S, "both to answer")
    lab.wait_for(lambda: plan(lab) == [], BACK_S, "nothing left to change")


def plan(lab: Lab) -> list[str]:
    text = lab.run("gw1", "kun-nat64", "plan", "--json", "--config", CONFIG, check=False).stdout
    return [change["fact"] for change in json.loads(text)["changes"]]
