"""Who may use a gateway, and what is not the agent's: strangers are dropped and counted, other people's things stay."""

import json
from collections.abc import Iterator

import pytest

from lab.api import Lab
from lab.capture import Packet
from tests.lab.injection import on_request
from tests.lab.questions import CONFIG, all_together, announced, embedded, plan_code, rules

GATEWAY = "gw3"
PREFIX = "2002:cb00:7101::/96"


@pytest.fixture
def sender(lab: Lab) -> Iterator[None]:
    """A place at the TOR from which tunnelled packets can be made with any outer and inner source, all to gw3."""
    inside = lab.topology.gateway(GATEWAY).inside
    lab.run("tor", "sh", "-ec", f"ip route add 203.0.113.1 via {inside} table 78; ip rule add iif lo lookup 78 pref 78")
    try:
        yield
    finally:
        lab.run("tor", "sh", "-c", "ip rule del pref 78; ip route flush table 78; ip link del stray; true")
        lab.run(
            "tor", "sh", "-c", "ip addr del 172.16.9.1/32 dev lo; ip addr del 10.9.9.9/32 dev lo; true", check=False
        )


def ping_from(lab: Lab, outer: str, inner: str, target: str) -> list[Packet]:
    """Sends echo requests; what of them, translated, reached the Internet."""
    script = f"""
ip link del stray 2>/dev/null || true
ip addr replace {outer}/32 dev lo
ip link add stray type sit local {outer} remote 203.0.113.1 ttl 64
ip link set stray up
ip -6 addr add {inner}/128 dev stray nodad
ip -6 route replace {PREFIX} dev stray src {inner}
"""
    lab.run("tor", "sh", "-ec", script)
    with lab.capture("internet", "lan0", "icmp[icmptype] == icmp-echo and ip[2:2] == 128") as seen:
        lab.run("tor", "ping", "-6", "-c", "3", "-i", "0.3", "-s", "100", "-W", "1", "-I", inner, target, check=False)
    return seen.packets


def dropped(lab: Lab, chain: str, command: str, table: str, words: str) -> int:
    """Packets that met one of our rules."""
    for line in lab.output(GATEWAY, f"{command}-save", "-c", "-t", table).splitlines():
        if f"-A {chain} {words}" in line:
            return int(line.split(":")[0].removeprefix("["))
    raise AssertionError(f"no rule {words} in {chain}")


def test_protocol_41_of_clients_is_translated(lab: Lab, sender: None) -> None:
    """As the packets of the tests below, and let through: those are not missing for another reason."""
    assert ping_from(lab, "10.9.9.9", "2002:a09:909::1", embedded(lab.topology.ping_server))


def test_protocol_41_of_strangers_is_dropped_and_counted(lab: Lab, sender: None) -> None:
    words = ("KUN-NAT64-CLIENTS", "iptables", "filter", "-j DROP")
    before = dropped(lab, *words)
    assert not ping_from(lab, "172.16.9.1", "2002:ac10:901::1", embedded(lab.topology.ping_server))
    assert dropped(lab, *words) >= before + 3


def test_a_6to4_source_that_is_not_the_outer_one_is_dropped(lab: Lab, sender: None) -> None:
    """RFC 3964 section 5.1; the kernel's sit does it, for tunnels without a fixed remote end."""
    assert not ping_from(lab, "10.9.9.9", "2002:a63:6363::1", embedded(lab.topology.ping_server))


def test_a_source_outside_6to4_is_dropped_and_counted(lab: Lab, sender: None) -> None:
    words = ("KUN-NAT64-PODS", "ip6tables", "raw", "! -s 2002::/16 -j DROP")
    before = dropped(lab, *words)
    assert not ping_from(lab, "10.9.9.9", "fd00:9::1", embedded(lab.topology.ping_server))
    assert dropped(lab, *words) >= before + 3


def test_a_destination_that_must_not_be_reached_is_dropped_and_counted(lab: Lab, sender: None) -> None:
    words = ("KUN-NAT64-PODS", "ip6tables", "raw", "-d 2002:cb00:7101::a00:0/104 -j DROP")
    before = dropped(lab, *words)
    assert not ping_from(lab, "10.9.9.9", "2002:a09:909::1", embedded("10.2.1.1"))
    assert dropped(lab, *words) >= before + 3


def test_a_private_network_that_no_key_names_is_not_reached(lab: Lab, sender: None) -> None:
    """The default list of never_reach, by real Jool: no packet leaves."""
    for target in ("172.16.9.1", "192.168.1.1", "100.64.0.1"):
        assert not ping_from(lab, "10.9.9.9", "2002:a09:909::1", embedded(target)), target


def test_native_ipv6_for_pool6_is_dropped_and_counted(lab: Lab) -> None:
    """Jool takes it from any interface, past the rules for what comes out of the tunnel."""
    words = ("KUN-NAT64-POOL6", "ip6tables", "raw", "-j DROP")
    # The cable between the two has the gateway's name at the TOR.
    lab.run(GATEWAY, "ip", "-6", "addr", "add", "fd00:77::1/64", "dev", "eth0", "nodad")
    way = f"ip -6 addr add fd00:77::2/64 dev {GATEWAY} nodad; ip -6 route add {PREFIX} via fd00:77::1"
    lab.run("tor", "sh", "-ec", way)
    target = embedded(lab.topology.ping_server)
    try:
        before = dropped(lab, *words)
        with lab.capture("internet", "lan0", "icmp[icmptype] == icmp-echo and ip[2:2] == 128") as seen:
            lab.run("tor", "ping", "-6", "-c", "3", "-i", "0.3", "-s", "100", "-W", "1", target, check=False)
        assert not seen.packets
        assert dropped(lab, *words) >= before + 3
    finally:
        lab.run("tor", "sh", "-c", f"ip -6 route del {PREFIX}; ip -6 addr del fd00:77::2/64 dev {GATEWAY}; true")
        lab.run(GATEWAY, "ip", "-6", "addr", "del", "fd00:77::1/64", "dev", "eth0")


def test_protocol_41_from_outside_is_dropped_whatever_its_source(lab: Lab) -> None:
    """rp_filter is loose: the source is one that a node might have."""
    words = ("PREROUTING", "iptables", "raw", "-d 203.0.113.1/32 -i eth1")
    before = dropped(lab, *words)
    public = lab.topology.gateway(GATEWAY).public
    lab.run("internet", "sh", "-ec", f"ip route add 203.0.113.1 via {public}; ip addr add 10.9.9.9/32 dev lo")
    script = f"""
ip link add stray type sit local 10.9.9.9 remote 203.0.113.1 ttl 64
ip link set stray up
ip -6 addr add 2002:a09:909::1/128 dev stray nodad
ip -6 route replace {PREFIX} dev stray src 2002:a09:909::1
"""
    target = embedded(lab.topology.ping_server)
    try:
        lab.run("internet", "sh", "-ec", script)
        with lab.capture("internet", "lan0", "icmp[icmptype] == icmp-echo and ip[2:2] == 128") as seen:
            lab.run("internet", "ping", "-6", "-c", "3", "-i", "0.3", "-s", "100", "-W", "1", target, check=False)
        assert not seen.packets
        assert dropped(lab, *words) >= before + 3
    finally:
        undo = "ip link del stray; ip route del 203.0.113.1; ip addr del 10.9.9.9/32 dev lo; true"
        lab.run("internet", "sh", "-c", undo, check=False)


# A Jool without the iptables framework (Debian 13) has one instance in a network namespace: the other is in its own.
OTHER_JOOL = 'other() { if [ -e /run/netns/operator ]; then ip netns exec operator jool "$@"; else jool "$@"; fi; }'
PLANT = f"""
{OTHER_JOOL}
if ! jool instance add other --iptables --pool6 64:ff9b::/96; then
    ip netns add operator
    other instance add other --netfilter --pool6 64:ff9b::/96
fi
other -i other pool4 add 192.0.2.99/32 1000-2000 --udp
iptables -I INPUT -s 10.99.0.0/16 -p tcp --dport 22 -j ACCEPT -m comment --comment operator
ip6tables -t mangle -A POSTROUTING -d 2001:db8:99::/48 -j MARK --set-mark 7
ip6tables -t raw -N OPERATOR
ip route add 10.99.0.0/16 via 10.2.3.1 proto static
ip -6 route add 2001:db8:99::/48 dev kun64 proto static
ip addr add 10.99.0.1/32 dev lo
gobgp --target unix:///run/gobgpd/api.sock global rib add 198.51.100.250/32 nexthop 10.2.3.2 med 5
"""
UPROOT = f"""
{OTHER_JOOL}
gobgp --target unix:///run/gobgpd/api.sock global rib del 198.51.100.250/32
ip addr del 10.99.0.1/32 dev lo
ip -6 route del 2001:db8:99::/48
ip route del 10.99.0.0/16
ip6tables -t raw -X OPERATOR
ip6tables -t mangle -D POSTROUTING -d 2001:db8:99::/48 -j MARK --set-mark 7
iptables -D INPUT -s 10.99.0.0/16 -p tcp --dport 22 -j ACCEPT -m comment --comment operator
other instance remove other
ip netns del operator
true
"""
LOOKS = {
    "instance": f"{OTHER_JOOL}; other -i other pool4 display --udp --csv; other -i other global display --csv",
    "rules": "iptables-save | grep operator; ip6tables-save | grep -e 2001:db8:99 -e OPERATOR",
    "routes": "ip route show proto static 10.99.0.0/16; ip -6 route show proto static dev kun64",
    "address": "ip -o addr show dev lo | grep -o 10.99.0.1/32",
    "path": "gobgp --target unix:///run/gobgpd/api.sock -j global rib 198.51.100.250/32",
}


def planted(lab: Lab) -> dict[str, str]:
    found = {what: lab.run(GATEWAY, "sh", "-c", script, check=False).stdout for what, script in LOOKS.items()}
    found["path"] = str(sorted(json.loads(found["path"] or "{}")))
    return found


@on_request
def test_what_others_have_made_is_never_touched(lab: Lab) -> None:
    """While the agent mends its own things, starts anew, and applies once by hand."""
    all_together(lab)
    lab.run(GATEWAY, "sh", "-ec", PLANT)
    try:
        before = planted(lab)
        assert all(before.values()), before
        assert "198.51.100.250" in before["path"]
        mangle = rules(lab, GATEWAY)
        lab.run(GATEWAY, "sh", "-ec", "ip6tables -t mangle -F PREROUTING; jool -i kun pool4 flush --quick")
        lab.wait_for(lambda: sorted(rules(lab, GATEWAY)) == sorted(mangle), 60, "our rules back")
        lab.restart_service(GATEWAY, "kun-nat64")
        lab.wait_for(lambda: announced(lab, GATEWAY) and plan_code(lab, GATEWAY) == 0, 120, "the agent to settle")
        # By force: an agent is there, which keeps the gateway as its file says.
        lab.run(GATEWAY, "kun-nat64", "apply", "--force", "--config", CONFIG)
        assert planted(lab) == before
    finally:
        lab.run(GATEWAY, "sh", "-c", UPROOT)
    all_together(lab)
