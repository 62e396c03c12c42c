"""One gateway on GoBGP, one on FRR, one on BIRD, with one router. The agents of the last two write their neighbours."""

from collections.abc import Iterator
from functools import partial

import pytest

from lab.api import Lab
from lab.errors import LabError
from tests.lab.injection import BACK_S, SEEN_S, on_request, status
from tests.lab.outerfaults import HEARING
from tests.lab.questions import CONFIG, announced, readyz
from tests.lab.speaking import SPEAKERS, speaking
from tests.lab.test_drain import GRACEFUL_SHUTDOWN, UNIT, path_at_tor
from tests.lab.traffic import ROUTES, Traffic

pytestmark = on_request
DAEMONS = {"gw2": "bgpd", "gw3": "bird"}
EACH = pytest.mark.parametrize("host", SPEAKERS, ids=SPEAKERS.get)
# BFD needs 0.9 s, the hold time 3 s, each from the last packet that was received.
BY_BFD_S, BY_HOLD_TIME_S = 1.0, 4.5
# outerfaults.DEAF by a program that is already running, so that the time to start it does not count.
SILENT = (
    "for port in eth0 eth1; do cat /sys/class/net/$port/address >/run/$port.mac; done;"
    " rm -f /run/cut; mkfifo /run/cut; ip -batch - </run/cut & exec 3>/run/cut; sleep 1; date +%s.%N;"
    " printf 'link set %s arp off address 02:00:00:00:00:01\\n' eth0 eth1 >&3; exec 3>&-; wait"
)


@pytest.fixture(scope="module")
def spoken(lab: Lab) -> Iterator[Lab]:
    with speaking(lab, SPEAKERS, managed=True):
        lab.spawn("tor", ROUTES, "ip", "-4", "-ts", "-o", "monitor", "route")
        yield lab
        lab.end("tor", ROUTES)


@EACH
def test_the_router_hears_the_speaker_and_the_agent_reads_it_back(spoken: Lab, host: str) -> None:
    path = path_at_tor(spoken, host)
    assert "BGP.med: 10" in path
    assert f"BGP.next_hop: {spoken.topology.gateway(host).inside}" in path
    (neighbour,) = status(spoken, host)["bgp"]["neighbours"]
    assert (neighbour["established"], neighbour["advertised"]) == (True, ["203.0.113.1/32"])
    said = spoken.run(host, "kun-nat64", "doctor", "--config", CONFIG, timeout_s=120, check=False).stdout
    assert "established, hold time 3 s" in said


@EACH
def test_a_drain_raises_med_and_leaves_and_an_undrain_comes_back(spoken: Lab, host: str) -> None:
    spoken.run(host, "kun-nat64", "drain", "--why", "test")
    try:
        spoken.wait_for(lambda: not announced(spoken, host), SEEN_S, "new flows to go elsewhere")
        path = path_at_tor(spoken, host)
        assert "BGP.med: 2000" in path
        assert GRACEFUL_SHUTDOWN in path
    finally:
        spoken.run(host, "kun-nat64", "undrain")
    spoken.wait_for(lambda: announced(spoken, host), BACK_S, f"{host} back")
    assert GRACEFUL_SHUTDOWN not in path_at_tor(spoken, host)


@EACH
def test_a_hung_agent_is_withdrawn_by_the_units_last_word(spoken: Lab, host: str) -> None:
    spoken.end(host, "kun-nat64", signal=19, wait_s=0)
    spoken.end(host, "kun-nat64", signal=9)
    try:
        spoken.run(host, "env", "SERVICE_RESULT=signal", *UNIT)
        assert announced(spoken, host), "a mere crash keeps the path"
        spoken.run(host, "env", "SERVICE_RESULT=watchdog", *UNIT)
        spoken.wait_for(lambda: not announced(spoken, host), SEEN_S, f"{host} out")
    finally:
        spoken.start_service(host, "kun-nat64")
    spoken.wait_for(lambda: announced(spoken, host), BACK_S, f"{host} back, once it is proven")


@EACH
def test_a_killed_speaker_is_given_neighbours_and_path_again(spoken: Lab, host: str) -> None:
    spoken.end(host, DAEMONS[host], signal=9)
    try:
        spoken.wait_for(lambda: not announced(spoken, host), SEEN_S, "the TOR to notice")
        spoken.wait_for(lambda: readyz(spoken, host) == "503", SEEN_S, "the agent to say so")
    finally:
        spoken.start_service(host, DAEMONS[host])
    spoken.wait_for(lambda: announced(spoken, host), BACK_S, f"{host} back")


def test_a_silent_death_is_noticed_within_a_second_by_bfd_and_without_it_by_the_hold_time(spoken: Lab) -> None:
    took = {}
    for host in ("gw1", *SPEAKERS):
        if host in SPEAKERS:
            spoken.wait_for(partial(_has_bfd, spoken, host), BACK_S, f"BFD of {host}", every_s=1.0)
        took[host] = _silenced(spoken, host)
    print("the router without it after", {host: round(seconds, 2) for host, seconds in took.items()})
    assert BY_BFD_S < took["gw1"] < BY_HOLD_TIME_S
    assert all(took[host] <= BY_BFD_S for host in SPEAKERS), took


def _has_bfd(lab: Lab, host: str) -> bool:
    (neighbour,) = status(lab, host)["bgp"]["neighbours"]
    return bool(neighbour["bfd"] == "up")


def _silenced(lab: Lab, host: str) -> float:
    """How long the router goes on sending to a gateway whose links look alive."""
    traffic = Traffic(lab)
    try:
        died = float(lab.output(host, "sh", "-ec", SILENT).strip())
        left = lab.wait_for(lambda: traffic.left(host, died), 30, f"{host} out of the TOR's route")
    finally:
        lab.run(host, "sh", "-ec", HEARING)
    lab.wait_for(lambda: announced(lab, host), BACK_S, f"{host} back")
    if left is None:
        raise LabError("no time")
    return left
