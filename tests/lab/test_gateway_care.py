"""What kun-nat64 does when somebody or something else changes its gateway."""

import json
import time

import pytest

from lab.api import Lab
from lab.unbroken import ring_packets
from tests.lab.questions import (
    CONFIG,
    all_together,
    announced,
    carrier_of,
    page,
    plan_code,
    readyz,
    rules,
)

# Generous: the guest is emulated, and the machine may be busy. The cycle looks every two seconds.
MENDED_S, GONE_S, BACK_S = 30.0, 30.0, 120.0
INSTANCE = ("jool", "-i", "kun")
REPORT = ("-sS", "--max-time", "90", "-o", "/dev/null", "-w", "%{http_code} %{size_download}")


def test_a_second_plan_is_empty(lab: Lab) -> None:
    assert {gateway.name: plan_code(lab, gateway.name) for gateway in lab.topology.gateways} == {
        gateway.name: 0 for gateway in lab.topology.gateways
    }


def test_a_killed_agent_and_its_restart_disturb_no_running_download(lab: Lab) -> None:
    size, rate = 600_000, 40_000
    url = f"http://www.{lab.topology.zone}/bytes?n={size}&rate={rate}"
    report = ("-sS", "--max-time", "90", "-o", "/dev/null", "-w", "%{http_code} %{size_download}")
    lab.spawn("pod", "download", "curl", *report, url)
    carrier = lab.wait_for(lambda: carrier_of(lab, lab.topology.web_server), 10, "the download's session")
    lab.end(carrier, "kun-nat64", signal=9)
    time.sleep(2)
    assert announced(lab, carrier), "the path stays while the agent is away"
    lab.start_service(carrier, "kun-nat64")
    got = lab.wait_for(lambda: lab.log("pod", "download").strip(), 90, "the end of the download")
    assert got == f"200 {size}"
    lab.wait_for(lambda: readyz(lab, carrier) == "200", BACK_S, "the new agent to be ready")


def test_a_removed_rule_is_put_back(lab: Lab) -> None:
    before = rules(lab, "gw1")
    first = next(rule for rule in before if "TCPMSS" in rule)
    lab.run("gw1", "sh", "-c", f"ip6tables -t mangle -D {first.removeprefix('-A ')}")
    assert rules(lab, "gw1") != before
    lab.wait_for(lambda: rules(lab, "gw1") == before, MENDED_S, "the rule to be back")
    assert announced(lab, "gw1"), "a missing MSS rule is mended, not a reason to leave"


def test_a_removed_pool4_entry_is_put_back(lab: Lab) -> None:
    shown = (*INSTANCE, "pool4", "display", "--udp", "--csv")
    before = lab.output("gw1", *shown)
    public = lab.topology.gateway("gw1").public
    assert public in before
    lab.run("gw1", *INSTANCE, "pool4", "remove", f"{public}/32", "20000-60000", "--udp", "--quick")
    assert lab.output("gw1", *shown) != before
    lab.wait_for(lambda: lab.output("gw1", *shown) == before, MENDED_S, "the pool4 entry to be back")


@pytest.mark.parametrize(
    ("broken", "healed"),
    [
        pytest.param(("ip", "link", "set", "eth1", "down"), ("ip", "link", "set", "eth1", "up"), id="outside NIC down"),
        pytest.param(
            ("ip6tables", "-t", "raw", "-I", "PREROUTING", "-j", "DROP", "-d", "2002:cb00:7101::/96"),
            ("ip6tables", "-t", "raw", "-D", "PREROUTING", "-j", "DROP", "-d", "2002:cb00:7101::/96"),
            id="packets dropped before the translator",
        ),
    ],
)
def test_a_broken_gateway_withdraws_and_comes_back(lab: Lab, broken: tuple[str, ...], healed: tuple[str, ...]) -> None:
    default = lab.output("gw2", "ip", "-4", "route", "show", "default").split("\n")[0].split()
    try:
        lab.run("gw2", *broken)
        lab.wait_for(lambda: not announced(lab, "gw2"), GONE_S, "gw2 out of the ECMP set")
        lab.wait_for(lambda: readyz(lab, "gw2") == "503", GONE_S, "/readyz to say so")
        assert page(lab)["client"] != lab.topology.gateway("gw2").public
    finally:
        lab.run("gw2", *healed)
        # The kernel takes the default route away with the link; on a real host networkd or ifupdown puts it back.
        lab.run("gw2", "ip", "-4", "route", "replace", *default, check=False)
    lab.wait_for(lambda: announced(lab, "gw2"), BACK_S, "gw2 back in the ECMP set")
    all_together(lab)


def test_a_removed_translator_is_withdrawn_or_rebuilt_and_announced_again(lab: Lab) -> None:
    lab.run("gw2", "jool", "instance", "remove", "kun")
    seen_out = False
    deadline = time.monotonic() + BACK_S
    while time.monotonic() < deadline:
        there = lab.run("gw2", *INSTANCE, "global", "display", "--csv", check=False).code == 0
        out = not announced(lab, "gw2")
        seen_out = seen_out or out
        if there and not out and seen_out:
            break
        time.sleep(0.2)
    assert seen_out, "the VIP stayed announced without a translator"
    assert announced(lab, "gw2")
    assert plan_code(lab, "gw2") == 0
    all_together(lab)


def test_teardown_leaves_the_host_as_it_was(lab: Lab) -> None:
    name = "gw3"
    only = frozenset({name})
    lab.kill(name)
    lab.build_network(only)
    lab.start_service(name, "gobgpd")
    lab.wait_for(
        lambda: lab.run(name, "gobgp", "--target", "unix:///run/gobgpd/api.sock", "global", check=False).code == 0,
        30,
        "gobgpd",
    )
    lab.wait_for(lambda: "tentative" not in lab.output(name, "ip", "addr"), 30, "addresses to be proven unique")
    before = state_of(lab, name)
    lab.start_service(name, "kun-nat64")
    try:
        lab.wait_for(lambda: announced(lab, name), BACK_S, "gw3 in the ECMP set")
        assert state_of(lab, name) != before, "the agent changed nothing, so its teardown proves nothing"
        lab.end(name, "kun-nat64")
        lab.run(name, "kun-nat64", "teardown", "--config", CONFIG)
        assert state_of(lab, name) == before
    finally:
        lab.restart_service(name, "kun-nat64")
        all_together(lab)


def state_of(lab: Lab, host: str) -> dict[str, list[str]]:
    """Everything about the host that a gateway agent might touch, without counters and lifetimes."""
    settings = r"net\.ipv[46]\.(ip_forward|conf\.(all|default|eth0|eth1|lo)\..*|fib_.*)$"
    looks = {
        "links": "ip -o link show | sed 's/^[0-9]*: //; s/@.*:/:/' | cut -d' ' -f1-6",
        "addresses": "ip -o addr show | sed 's/^[0-9]*: //; s/valid_lft.*//'",
        "routes": "ip -4 route show table all; ip -6 route show table all | sed 's/ expires [0-9]*sec//; s/ pref .*//'",
        "rules": "ip -4 rule; ip -6 rule",
        "tables": "nft list tables | grep -v ' \\(filter\\|mangle\\|raw\\|nat\\|security\\)$'; true",
        "iptables": "iptables-save | grep -E '^-A|^:[A-Z]*[a-z-]'; ip6tables-save | grep -E '^-A|^:[A-Z]*[a-z-]'; true",
        "translator": "jool -i kun global display --csv >/dev/null 2>&1; echo $?",
        "paths": "gobgp --target unix:///run/gobgpd/api.sock -j global rib",
        "settings": f"sysctl -a --pattern '{settings}' 2>/dev/null | grep -v stable_secret",
        "namespaces": "ls /run/netns 2>/dev/null | grep -i kun; true",
    }
    return {what: sorted(lab.output(host, "sh", "-c", script).splitlines()) for what, script in looks.items()}


def test_a_download_that_moves_to_another_gateway_goes_on_through_the_ring(lab: Lab) -> None:
    """A rehash: its packets reach a gateway without the session, which hands them to the one that has it."""
    size, rate = 400_000, 20_000
    lab.spawn("pod", "moved", "curl", *REPORT, f"http://www.{lab.topology.zone}/bytes?n={size}&rate={rate}")
    carrier = lab.wait_for(lambda: carrier_of(lab, lab.topology.web_server), 15, "the download's session")
    other = next(gateway for gateway in lab.topology.gateways if gateway.name != carrier)
    before, taken = resets(lab, other.name), ring_packets(lab, carrier)["taken"]
    vip = "203.0.113.1/32"
    lab.run("tor", "ip", "route", "add", vip, "via", other.inside, "metric", "1")
    try:
        got = lab.wait_for(lambda: lab.log("pod", "moved").strip(), 90, "the end of the download")
    finally:
        lab.run("tor", "ip", "route", "del", vip, "via", other.inside, "metric", "1")
    assert got == f"200 {size}"
    assert ring_packets(lab, carrier)["taken"] > taken, "it did not move: nothing was shown"
    assert resets(lab, other.name) == before


def test_a_removed_table_of_resets_is_made_anew_and_learns_running_flows_first(lab: Lab) -> None:
    size, rate = 600_000, 40_000
    url = f"http://www.{lab.topology.zone}/bytes?n={size}&rate={rate}"
    lab.spawn("pod", "through", "curl", *REPORT, url)
    carrier = lab.wait_for(lambda: carrier_of(lab, lab.topology.web_server), 10, "the download's session")
    lab.run(carrier, "nft", "delete", "table", "ip6", "kun-nat64")
    lab.wait_for(lambda: resets(lab, carrier) == 0, MENDED_S, "the table to be back")
    got = lab.wait_for(lambda: lab.log("pod", "through").strip(), 90, "the end of the download")
    assert got == f"200 {size}"


def resets(lab: Lab, host: str) -> int:
    """RSTs that a gateway has given to orphaned flows; -1 while it gives none."""
    found = lab.run(host, "nft", "-j", "list", "chain", "ip6", "kun-nat64", "arming", check=False)
    if found.code != 0:
        return -1
    rules_there = [each["rule"]["expr"] for each in json.loads(found.stdout)["nftables"] if "rule" in each]
    counters = [part["counter"]["packets"] for expr in rules_there for part in expr if "counter" in part]
    return sum(counters) if counters else -1
