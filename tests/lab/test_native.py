"""A fabric of native IPv6: pods' packets are routed to pool6, which the gateways announce. A lab of its own."""

import os
from collections.abc import Iterator

import pytest

from lab.api import Lab
from lab.demo import deaths_under_load, watch_one_fetch
from lab.errors import LabError
from lab.evidence import prove
from lab.outage import Outage
from lab.progress import Silent
from tests.lab.conftest import LOGS, missing_part
from tests.lab.fault import Action, Fault, rule
from tests.lab.injection import inject, status
from tests.lab.pace import hurried
from tests.lab.questions import page, plan_code, public_addresses, rules
from tests.lab.test_faults import PACE
from tests.lab.traffic import Traffic

TRIES = 24
REACHED = ("curl", "-sS", "--max-time", "3", "-o", "/dev/null")


@pytest.fixture(scope="module")
def native_lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """`KUN_NATIVE_LAB_NAME` uses one that is up already, and leaves it up."""
    if name := os.environ.get("KUN_NATIVE_LAB_NAME"):
        attached = Lab.attach(name)
        attached.wait_until_ready(300)
        yield attached
        return
    if missing := missing_part():
        pytest.skip(missing)
    started = Lab.start(f"native-{os.getpid()}", native=True)
    try:
        started.wait_until_ready(300)
        yield started
    except LabError:
        started.collect_logs(LOGS / "native")
        raise
    finally:
        if request.session.testsfailed:
            started.collect_logs(LOGS / "native")
        started.stop()


def test_every_step_from_the_pod_to_the_internet_is_seen(native_lab: Lab) -> None:
    steps = prove(native_lab.topology, watch_one_fetch(native_lab))
    assert len(steps) == 7
    assert [step for step in steps if not step.ok] == []


def test_connections_go_through_different_gateways(native_lab: Lab) -> None:
    seen = {page(native_lab)["client"] for _ in range(TRIES)}
    assert seen <= public_addresses(native_lab)
    assert len(seen) >= 2, f"{TRIES} connections all went through {seen}"


def test_a_large_answer_and_a_ping_arrive(native_lab: Lab) -> None:
    url = f"http://www.{native_lab.topology.zone}/bytes?n=1000000"
    got = native_lab.output("pod", "curl", "-sS", "--max-time", "60", "-o", "/dev/null", "-w", "%{size_download}", url)
    assert int(got) == 1_000_000
    native_lab.run(
        "pod", "ping", "-6", "-c", "2", "-W", "5", native_lab.topology.embed(native_lab.topology.ping_server)
    )


def test_a_second_plan_is_empty_and_nothing_of_a_tunnel_is_there(native_lab: Lab) -> None:
    assert plan_code(native_lab, "gw1") == 0
    assert "kun64" not in native_lab.output("gw1", "ip", "link")
    assert status(native_lab, "gw1")["inside"] == "native"


def test_doctor_finds_nothing_bad(native_lab: Lab) -> None:
    done = native_lab.run("gw1", "kun-nat64", "doctor", "--config", "/etc/kun/kun-nat64.toml", check=False)
    assert " 41" not in done.stdout
    assert "2002:" not in done.stdout


def test_never_reach_holds(native_lab: Lab) -> None:
    for special in ("127.0.0.1", "10.2.1.2"):
        url = f"http://[{native_lab.topology.embed(special)}]:9465/"
        assert native_lab.run("pod", *REACHED, url, check=False).code == 28


def test_a_source_that_is_no_client_is_not_translated(native_lab: Lab) -> None:
    """The node has a way out, and its own address is in none of gateway.clients."""
    url = f"http://[{native_lab.topology.embed(native_lab.topology.web_server)}]/"
    assert native_lab.run("pod", *REACHED, url, check=False).code == 0
    assert native_lab.run("node", *REACHED, url, check=False).code == 28


def test_pool6_is_not_taken_from_outside(native_lab: Lab) -> None:
    """A host outside that is on the gateway's own link, and sends as a pod would."""
    plan = native_lab.topology
    gateway = plan.gateways[0]
    target = plan.embed(plan.web_server)
    native_lab.run("gw1", "ip", "-6", "address", "add", "2001:db8:99::1/64", "dev", "eth1", "nodad")
    words = ("-6", "address", "add", "2001:db8:99::2/64", "dev", "lan0", "nodad")
    native_lab.run("internet", "ip", *words)
    native_lab.run("internet", "ip", "-6", "address", "add", "2001:db8:a1:1::66/128", "dev", "lo", "nodad")
    native_lab.run("internet", "ip", "-6", "route", "add", str(plan.pool6), "via", "2001:db8:99::1")
    try:
        with native_lab.capture("internet", "lan0", f"src host {gateway.public} and icmp") as capture:
            native_lab.run(
                "internet", "ping", "-6", "-c", "3", "-W", "1", "-I", "2001:db8:a1:1::66", target, check=False
            )
        mine = [packet for packet in capture.packets if packet.destination == plan.web_server]
        assert mine == []
        assert _dropped(native_lab) >= 3
    finally:
        native_lab.run("internet", "ip", "-6", "route", "del", str(plan.pool6))
        native_lab.run("internet", "ip", "-6", "address", "del", "2001:db8:a1:1::66/128", "dev", "lo")
        native_lab.run("internet", "ip", "-6", *words[1:2], "del", *words[3:6])
        native_lab.run("gw1", "ip", "-6", "address", "del", "2001:db8:99::1/64", "dev", "eth1")


def _dropped(lab: Lab) -> int:
    """Packets that the last rule of the pool6 chain of gw1 has met."""
    saved = lab.output("gw1", "ip6tables-save", "-c", "-t", "raw").splitlines()
    (line,) = [line for line in saved if line.endswith("-A KUN-NAT64-POOL6 -j DROP")]
    return int(line.partition(":")[0].removeprefix("["))


class Unwatched(Traffic):
    """The TOR's route is asked for by the injection itself."""

    def outage(self, host: str, since: float, until: float, protocol: str = "") -> Outage:
        return Outage(0, 0, 0.0)

    def left(self, host: str, since: float) -> float | None:
        return None

    def back(self, host: str, since: float) -> float | None:
        return None


UPLINK_BACK = (
    "ip link set eth0 up; ip -6 address replace 2001:db8:2:{name}::2/64 dev eth0 nodad;"
    " ip route replace 10.0.0.0/8 via {tor}; ip -6 route replace 2001:db8:a1::/48 via 2001:db8:2:{name}::1"
)
FAULTS = (
    Fault(
        "the outside link is down",
        Action.LEAVES,
        "outside-link-down",
        "carrier-down",
        "ip link set eth1 down",
        "ip link set eth1 up; ip route replace default via 192.0.2.1 dev eth1",
    ),
    Fault(
        "the instance is gone",
        Action.RETURNS,
        "instance-missing",
        "instance-missing",
        "jool instance remove kun",
        mends="joolinstance",
    ),
    Fault(
        "the way back to the pods is gone",
        Action.LEAVES,
        "return-route-missing",
        "canary-dead",
        "ip -6 route show 2001:db8:a1::/48 > /run/way; ip -6 route del 2001:db8:a1::/48",
        "ip -6 route add $(cat /run/way)",
    ),
    Fault(
        "a routing rule leads the pods' packets nowhere",
        Action.LEAVES,
        "foreign-routing-rule",
        "canary-dead",
        "ip -6 rule add to 2001:db8:a1::/48 blackhole pref 5",
        "ip -6 rule del pref 5",
    ),
    Fault(
        "packets are dropped before the translator",
        Action.LEAVES,
        "dropped-before-translator",
        "canary-dead",
        **rule("-t raw -I PREROUTING -d 2001:db8:64::/96 -j DROP", "ip6tables"),
    ),
    Fault(
        "the router drops what has a source in pool6",
        Action.LEAVES,
        "router-returns-nothing",
        "canary-dead",
        tor_breaks="ip6tables -I FORWARD -i {name} -s 2001:db8:64::/96 -j DROP",
        tor_heals="ip6tables -D FORWARD -i {name} -s 2001:db8:64::/96 -j DROP",
    ),
    Fault(
        "the MSS rules are gone",
        Action.MENDS,
        breaks="ip6tables -t mangle -F PREROUTING; ip6tables -t mangle -F POSTROUTING",
        mends="rule",
    ),
)


@pytest.fixture(scope="module")
def hurried_lab(native_lab: Lab) -> Iterator[Lab]:
    with hurried(native_lab, PACE):
        yield native_lab


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_has_its_name_its_action_and_an_end(hurried_lab: Lab, fault: Fault) -> None:
    seen = inject(hurried_lab, "gw2", fault, Unwatched(hurried_lab))
    print(seen)
    assert fault.cause == "none" or fault.cause in seen.causes
    assert rules(hurried_lab, "gw2"), "the MSS rules are there, whatever happened"


def test_gateways_die_and_the_rest_carries_on(native_lab: Lab) -> None:
    """The last test: it leaves two gateways dead, which are healed for whoever attached this lab."""
    served, deaths, recovered = deaths_under_load(native_lab, Silent())
    assert recovered
    assert len(served) >= 2
    assert all(death.withdrawn_s < 10 for death in deaths), deaths
    for death in deaths:
        native_lab.heal(death.gateway)
