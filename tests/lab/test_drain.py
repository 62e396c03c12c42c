"""Leaving on purpose, and the death of the agent or of the speaker: what the pods notice, and what the TOR does."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lab.api import Lab
from tests.lab.injection import BACK_S, SEEN_S, on_request, status
from tests.lab.questions import all_together, announced, carrier_of, readyz

GRACEFUL_SHUTDOWN = "(65535,0)"
pytestmark = on_request
UNIT = ("sh", "/opt/lab/gateway-config/systemd/kun-nat64-unit", "stopped")


@pytest.fixture(autouse=True)
def whole(lab: Lab) -> Iterator[None]:
    all_together(lab)
    yield
    for gateway in lab.topology.gateways:
        if _phase(lab, gateway.name) in ("draining", "drained"):
            lab.run(gateway.name, "kun-nat64", "undrain")
    all_together(lab)


def path_at_tor(lab: Lab, gateway: str) -> str:
    """What BIRD knows of the path that this gateway announces."""
    words = ("birdc", "-s", "/run/bird.ctl", "show", "route", "all", "203.0.113.1/32", "protocol", gateway)
    return lab.output("tor", *words)


def download(lab: Lab, name: str, seconds: int) -> str:
    """Begins one that lasts for about `seconds`; the gateway it goes through."""
    rate = 20_000
    url = f"http://www.{lab.topology.zone}/bytes?n={rate * seconds}&rate={rate}"
    lab.spawn("pod", name, "curl", "-sS", "--max-time", "120", "-o", "/dev/null", "-w", "%{http_code}", url)
    return lab.wait_for(lambda: carrier_of(lab, lab.topology.web_server), 20, "the download's session")


@contextmanager
def only_way(lab: Lab, gateway: str) -> Iterator[None]:
    """The TOR has no other choice for a while, as one that hears this gateway alone."""
    words = ("203.0.113.1/32", "via", lab.topology.gateway(gateway).inside, "metric", "1")
    lab.run("tor", "ip", "route", "add", *words)
    try:
        yield
    finally:
        lab.run("tor", "ip", "route", "del", *words)


@pytest.mark.both_debians
def test_a_drain_lets_a_download_end_where_its_router_has_no_other_way_and_then_withdraws(lab: Lab) -> None:
    carrier = download(lab, "staying", 15)
    with only_way(lab, carrier):
        lab.spawn(carrier, "drain", "kun-nat64", "drain", "--wait", "--why", "test")
        path = lab.wait_for(lambda: _drained_path(lab, carrier), SEEN_S, "new flows to go elsewhere")
        assert "BGP.med: 2000" in path
        assert lab.wait_for(lambda: lab.log("pod", "staying").strip(), 120, "the end of the download") == "200"
        lab.wait_for(lambda: "203.0.113.1" not in path_at_tor(lab, carrier), 60, "the path to be withdrawn")
    ended = lab.wait_for(lambda: _ended(lab, carrier, "drain"), 30, "`drain --wait` to end")
    assert ended == "0", lab.log(carrier, "drain")
    lab.run(carrier, "kun-nat64", "undrain")
    lab.wait_for(lambda: announced(lab, carrier), BACK_S, f"{carrier} back")


def test_a_router_with_a_better_way_moves_the_flows_of_a_drain_and_they_go_on(lab: Lab) -> None:
    """ECMP by hash knows no flows: when a gateway leaves the set, its flows reach others, which hand them to it."""
    carrier = download(lab, "moved", 25)
    lab.run(carrier, "kun-nat64", "drain", "--why", "test")
    lab.wait_for(lambda: not announced(lab, carrier), SEEN_S, "new flows to go elsewhere")
    assert GRACEFUL_SHUTDOWN in path_at_tor(lab, carrier), "the path stays for the grace time (RFC 8326)"
    assert lab.wait_for(lambda: lab.log("pod", "moved").strip(), 120, "the end of the download") == "200"


def _drained_path(lab: Lab, gateway: str) -> str:
    """The path at the TOR once it says that the gateway is to be left (RFC 8326); "" before."""
    path = path_at_tor(lab, gateway)
    return path if GRACEFUL_SHUTDOWN in path else ""


def _ended(lab: Lab, host: str, name: str) -> str:
    """The exit code as text, "" while it runs."""
    code = next(one["code"] for one in lab.processes() if (one["host"], one["name"]) == (host, name))
    return "" if code is None else str(code)


@pytest.mark.both_debians
def test_a_drain_survives_a_restart_of_the_agent_and_sigterm_keeps_the_path(lab: Lab) -> None:
    lab.run("gw2", "kun-nat64", "drain", "--force")
    lab.wait_for(lambda: not announced(lab, "gw2"), SEEN_S, "gw2 out")
    lab.end("gw3", "kun-nat64")
    lab.end("gw2", "kun-nat64")
    assert announced(lab, "gw3"), "an upgrade of the agent moves no flow"
    for name in ("gw2", "gw3"):
        lab.start_service(name, "kun-nat64")
    lab.wait_for(lambda: readyz(lab, "gw3") == "200", BACK_S, "the new agent of gw3")
    lab.wait_for(lambda: _phase(lab, "gw2") in ("draining", "drained"), BACK_S, "the new agent of gw2 to know")
    assert not announced(lab, "gw2")
    lab.run("gw2", "kun-nat64", "undrain")
    lab.wait_for(lambda: announced(lab, "gw2"), BACK_S, "gw2 back")


def _phase(lab: Lab, host: str) -> str:
    url = f"http://{lab.topology.gateway(host).inside}:9465/status"
    text = lab.run(host, "curl", "-s", url, check=False).stdout
    return str(json.loads(text)["drain"]["phase"]) if text else ""


def test_a_hung_agent_is_withdrawn_by_the_units_last_word(lab: Lab) -> None:
    lab.end("gw2", "kun-nat64", signal=19, wait_s=0)  # SIGSTOP: nothing in the process moves, its own switch neither
    assert announced(lab, "gw2"), "the data plane works on"
    lab.end("gw2", "kun-nat64", signal=9)  # what systemd's watchdog does
    lab.run("gw2", "env", "SERVICE_RESULT=signal", *UNIT)
    assert announced(lab, "gw2"), "a mere crash keeps the path"
    lab.run("gw2", "env", "SERVICE_RESULT=watchdog", *UNIT)
    lab.wait_for(lambda: not announced(lab, "gw2"), SEEN_S, "gw2 out")
    lab.start_service("gw2", "kun-nat64")
    lab.wait_for(lambda: announced(lab, "gw2"), BACK_S, "gw2 back, once it is proven")


def test_a_path_deleted_by_hand_is_announced_again(lab: Lab) -> None:
    lab.run("gw3", "gobgp", "--target", "unix:///run/gobgpd/api.sock", "global", "rib", "del", "203.0.113.1/32")
    lab.wait_for(lambda: "203.0.113.1" not in path_at_tor(lab, "gw3"), SEEN_S, "the TOR to lose it")
    lab.wait_for(lambda: announced(lab, "gw3"), BACK_S, "gw3 back")


def test_a_killed_speaker_is_told_the_path_again_when_it_is_back(lab: Lab) -> None:
    lab.end("gw2", "gobgpd", signal=9)
    lab.wait_for(lambda: not announced(lab, "gw2"), SEEN_S, "the TOR to notice")
    lab.wait_for(lambda: _cause(lab, "gw2") == "speaker-silent", SEEN_S, "the agent to say so")
    lab.start_service("gw2", "gobgpd")
    lab.wait_for(lambda: announced(lab, "gw2"), BACK_S, "gw2 back")


def test_a_hung_speaker_is_out_after_the_hold_time_and_named(lab: Lab) -> None:
    lab.end("gw3", "gobgpd", signal=19, wait_s=0)
    try:
        lab.wait_for(lambda: not announced(lab, "gw3"), SEEN_S, "the TOR's hold time to end")
        lab.wait_for(lambda: _cause(lab, "gw3") == "speaker-silent", SEEN_S, "the agent to say so")
    finally:
        lab.end("gw3", "gobgpd", signal=18, wait_s=0)
    lab.wait_for(lambda: announced(lab, "gw3"), BACK_S, "gw3 back")


def _cause(lab: Lab, host: str) -> str:
    return str(status(lab, host)["diagnosis"]["cause"])
