"""Each wrong value of the file is named with its key, with what would be right; all of them at once."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.nat64.config.faults import faults

SINGLE = {
    "a VIP that is not global": (
        ("gateway", {"vip": "192.168.1.1"}),
        "gateway.vip = '192.168.1.1': 192.168.1.1 is not a global unicast",
    ),
    "an unknown key": (
        ("gateway", {"outsid": "eth1"}),
        "gateway.outsid = 'eth1': unknown key, did you mean 'outside'?",
    ),
    "a name too long for the kernel": (
        ("gateway", {"tunnel": "x" * 16}),
        "gateway.tunnel = 'xxxxxxxxxxxxxxxx': must be an interface name: 1 to 15",
    ),
    "a name that ip takes for a word": (
        ("gateway", {"tunnel": "up"}),
        "gateway.tunnel = 'up': is a word of the ip command",
    ),
    "an instance name too long": (("nat64", {"instance": "x" * 16}), "nat64.instance = 'xxxxxxxxxxxxxxxx'"),
    "a network with host bits": (
        ("gateway", {"clients": ["10.0.0.0/8", "10.1.0.1/16"]}),
        "gateway.clients[1] = '10.1.0.1/16': has host bits set, did you mean 10.1.0.0/16?",
    ),
    "no clients at all": (("gateway", {"clients": []}), "gateway.clients = []: must not be empty"),
    "an MSS beyond the outside": (
        ("gateway", {"mss": 1461}),
        "gateway.mss = 1461: must be at most 1460: outside_mtu 1500",
    ),
    "an MSS beyond the inside": (
        ("gateway", {"inside_mtu": 1400, "mss": 1341}),
        "gateway.mss = 1341: must be at most 1340: inside_mtu 1400 - 40 (IPv6) - 20 (TCP) = 1340",
    ),
    "pool4 is the VIP": (
        ("nat64", {"pool4": [{"address": "203.0.113.1"}]}),
        "nat64.pool4[0].address = '203.0.113.1': is the VIP",
    ),
    "ports the wrong way round": (
        ("nat64", {"pool4": [{"address": "192.0.2.11", "ports": "60000-20000"}]}),
        "nat64.pool4[0].ports = '60000-20000': the lower end comes first, did you mean \"20000-60000\"?",
    ),
    "ports that overlap": (
        ("nat64", {"pool4": [{"address": "192.0.2.11"}, {"address": "192.0.2.11", "ports": "60000"}]}),
        "nat64.pool4[1].ports = '60000-60000': overlaps nat64.pool4[0]",
    ),
    "an address nothing comes back to": (
        ("nat64", {"pool4": [{"address": "127.0.0.1"}]}),
        "nat64.pool4[0].address = '127.0.0.1': is not an address that packets can come back to",
    ),
    "TCP time-out below Jool's minimum": (("nat64", {"tcp_established_s": 7199}), "nat64.tcp_established_s = 7199"),
    "UDP time-out below the minimum": (("nat64", {"udp_s": 119}), "nat64.udp_s = 119"),
    "a pool6 that is no /96": (
        ("nat64", {"pool6": "2002:cb00:7101::/64"}),
        "nat64.pool6 = '2002:cb00:7101::/64': must be a /96",
    ),
    "a pool6 of another VIP": (
        ("nat64", {"pool6": "2002:cb00:7102::/96"}),
        "nat64.pool6 = '2002:cb00:7102::/96': must be inside 2002:cb00:7101::/48",
    ),
    "a global that has a key": (
        ("nat64", {"globals": {"udp-timeout": "5:00"}}),
        "nat64.globals.udp-timeout = '5:00': is set by nat64.udp_s",
    ),
    "a global out of its range": (
        ("nat64", {"globals": {"f-args": 16}}),
        "nat64.globals.f-args = '16': must be from 0 to 15",
    ),
    "an unknown global": (("nat64", {"globals": {"f-arg": 1}}), "nat64.globals.f-arg = '1': is not a global setting"),
    "a sysctl that climbs out of net": (
        ("gateway", {"sysctls": {"net.//.kernel.panic": "1"}}),
        "gateway.sysctls.net.//.kernel.panic = '1': must be a name with dots below net",
    ),
    "the tunnel named as the link outside": (
        ("gateway", {"tunnel": "eth1"}),
        "gateway.tunnel = 'eth1': must be a name of its own, not gateway.outside",
    ),
    "a sysctl outside of net": (
        ("gateway", {"sysctls": {"kernel.panic": "1"}}),
        "gateway.sysctls.kernel.panic = '1': must be a name with dots below net",
    ),
    "the VIP as next hop": (("bgp", {"next_hop": "203.0.113.1"}), "bgp.next_hop = '203.0.113.1': is the VIP itself"),
    "the VIP as router id": (("bgp", {"router_id": "203.0.113.1"}), "bgp.router_id = '203.0.113.1': is the VIP"),
    "a peer twice": (
        ("bgp", {"peers": [{"address": "10.2.1.1", "as": 1}, {"address": "10.2.1.1", "as": 2}]}),
        "bgp.peers[1].address = '10.2.1.1': is the same as bgp.peers[0].address",
    ),
    "ourselves as peer": (
        ("bgp", {"peers": [{"address": "10.2.1.2", "as": 65000}]}),
        "bgp.peers[0].address = '10.2.1.2': is this gateway's own address",
    ),
    "a password that nobody writes": (
        ("bgp", {"peers": [{"address": "10.2.1.1", "as": 1, "password_file": "/etc/kun/tor"}]}),
        "bgp.peers[0].password_file = '/etc/kun/tor': has no effect without bgp.manage_daemon",
    ),
    "BFD that nobody configures": (
        ("bgp", {"speaker": "frr", "peers": [{"address": "10.2.1.1", "as": 1, "bfd": True}]}),
        "bgp.peers[0].bfd = True: has no effect without bgp.manage_daemon: put BFD into the frr.conf you write",
    ),
    "TTL security that nobody configures": (
        ("bgp", {"speaker": "bird", "peers": [{"address": "10.2.1.1", "as": 1, "ttl_security": True}]}),
        "bgp.peers[0].ttl_security = True: has no effect without bgp.manage_daemon: put TTL security into",
    ),
    "communities of a peer that nobody configures": (
        ("bgp", {"peers": [{"address": "10.2.1.1", "as": 1, "communities": ["65000:1"]}]}),
        "bgp.peers[0].communities = ('65000:1',): has no effect without bgp.manage_daemon",
    ),
    "an unknown speaker": (("bgp", {"speaker": "quagga"}), "bgp.speaker = 'quagga': must be 'gobgp', 'frr' or 'bird'"),
    "FRR at a port": (
        ("bgp", {"speaker": "frr", "api": "127.0.0.1:2605"}),
        "bgp.api = '127.0.0.1:2605': must be the path of the folder of its vty sockets of FRR, \"unix:///run/frr\"",
    ),
    "BIRD at a port": (
        ("bgp", {"speaker": "bird", "api": "[::1]:50051"}),
        "bgp.api = '[::1]:50051': must be the path of the control socket of BIRD, \"unix:///run/bird/bird.ctl\"",
    ),
    "a file of paths for a speaker that has none": (
        ("bgp", {"speaker": "frr", "paths_file": "/run/kun-nat64/bird.conf"}),
        "bgp.paths_file = '/run/kun-nat64/bird.conf': is for BIRD",
    ),
    "one file of BIRD for two things": (
        ("bgp", {"speaker": "bird", "paths_file": "/etc/kun/bird.conf"}),
        "bgp.paths_file = '/etc/kun/bird.conf': is bgp.daemon_file",
    ),
    "a file of paths without a place": (
        ("bgp", {"speaker": "bird", "paths_file": "bird.conf"}),
        "bgp.paths_file = 'bird.conf'",
    ),
    "no peers": (("bgp", {"peers": []}), "bgp.peers = []: must not be empty"),
    "a hold time that BGP forbids": (
        ("bgp", {"peers": [{"address": "10.2.1.1", "as": 1, "hold_s": 2}]}),
        "bgp.peers[0].hold_s = 2",
    ),
    "a community that is none": (
        ("bgp", {"communities": ["65536:1"]}),
        "bgp.communities[0] = '65536:1': must be a community",
    ),
    "a sick MED that is no worse": (
        ("bgp", {"soft_fail_med": 10}),
        "bgp.soft_fail_med = 10: must be above bgp.med = 10",
    ),
    "a draining MED that is no worse": (("drain", {"med": 5}), "drain.med = 5: must be above bgp.med = 10"),
    "a target without a port": (
        ("health", {"targets": ["tcp://198.51.100.80"]}),
        "health.targets[0] = 'tcp://198.51.100.80'",
    ),
    "a target the rules drop": (
        ("health", {"targets": ["icmp://10.9.9.9"]}),
        "health.targets[0] = 'icmp://10.9.9.9': is in gateway.never_reach (10.0.0.0/8): the probe would be dropped",
    ),
    "the VIP as target": (
        ("health", {"targets": ["icmp://203.0.113.1"]}),
        "health.targets[0] = 'icmp://203.0.113.1': is the VIP",
    ),
    "more votes than targets": (
        ("health", {"quorum": 3}),
        "health.quorum = 3: must be at most the number of targets, 2",
    ),
    "a hold-down above its bound": (("health", {"hold_down_s": 301}), "health.hold_down_max_s = 300: must be at least"),
    "a probe network too small": (
        ("health", {"probe_network": "169.254.64.0/31"}),
        "health.probe_network = '169.254.64.0/31': must be a /30 or /29",
    ),
    "a probe from nobody's node": (
        ("health", {"probe_node": "192.0.2.77"}),
        "health.probe_node = '192.0.2.77': must be in gateway.clients",
    ),
    "a probe from this gateway itself": (
        ("health", {"probe_node": "10.2.1.2"}),
        "health.probe_node = '10.2.1.2': is an address of this gateway",
    ),
    "the tunnel as uplink": (
        ("gateway", {"uplink": "kun64"}),
        "gateway.uplink = 'kun64': must be the interface towards the nodes",
    ),
    "a way back that is none": (("health", {"way_back": "cable"}), "health.way_back = 'cable'"),
    "a fleet member that is no URL": (
        ("fleet", {"members": ["10.2.2.2:9465"]}),
        "fleet.members[0] = '10.2.2.2:9465': must be the URL",
    ),
    "an admin port out of range": (
        ("admin", {"listen": "127.0.0.1:70000"}),
        "admin.listen = '127.0.0.1:70000': must be ADDRESS:PORT",
    ),
    "a number in quotes": (("drain", {"grace_s": "30"}), "drain.grace_s = '30': must be a number"),
    "everybody as a client": (
        ("gateway", {"clients": ["10.0.0.0/8", "0.0.0.0/0"]}),
        "gateway.clients[1] = '0.0.0.0/0': is everybody, which makes an open relay",
    ),
    "a way back that is our own": (
        ("gateway", {"routes": ["2002::/16", "2002:cb00:7101::/48"]}),
        "gateway.routes[1] = '2002:cb00:7101::/48': is the VIP's own network",
    ),
    "the loopback as outside": (("gateway", {"outside": "lo"}), "gateway.outside = 'lo': is the loopback"),
    "a protocol twice": (
        ("nat64", {"pool4": [{"address": "192.0.2.11", "protocols": ["tcp", "udp", "tcp"]}]}),
        "nat64.pool4[0].protocols = 'tcp, udp, tcp': names a protocol twice",
    ),
    "a target that is of pool4": (
        ("health", {"targets": ["icmp://192.0.2.11"]}),
        "health.targets[0] = 'icmp://192.0.2.11': is an address of this gateway",
    ),
    "a target in multicast": (
        ("health", {"targets": ["icmp://224.0.0.1"]}),
        "health.targets[0] = 'icmp://224.0.0.1': is not an address of a host outside",
    ),
    "a target with a name that DNS does not take": (
        ("health", {"targets": [f"dns://198.51.100.53/{'a' * 64}.example"]}),
        "health.targets[0] = 'dns://198.51.100.53/aaaa",
    ),
    "a target with a name in other letters": (
        ("health", {"targets": ["dns://198.51.100.53/bücher.example"]}),
        "health.targets[0] = 'dns://198.51.100.53/bücher.example': must be a probe target",
    ),
    "a target with a question": (
        ("health", {"targets": ["dns://198.51.100.53/a.example?x=1"]}),
        "health.targets[0] = 'dns://198.51.100.53/a.example?x=1': must be a probe target",
    ),
    "the VIP as peer": (
        ("bgp", {"peers": [{"address": "203.0.113.1", "as": 65000}]}),
        "bgp.peers[0].address = '203.0.113.1': is the VIP",
    ),
    "an API at nobody's port": (("bgp", {"api": "127.0.0.1:0"}), "bgp.api = '127.0.0.1:0': port 0 is reserved"),
    "an API at a path that no file can have": (
        ("bgp", {"api": "unix:///run/a\0b"}),
        "bgp.api = 'unix:///run/a\\x00b': must not have control characters",
    ),
    "a log at a path that no file can have": (
        ("nat64", {"session_log": "/var/log/a\0b"}),
        "nat64.session_log = '/var/log/a\\x00b': must not have control characters",
    ),
    "a database in the place of the log": (
        ("audit", {"database": "/var/log/kun-nat64/sessions.jsonl"}),
        "audit.database = '/var/log/kun-nat64/sessions.jsonl': is nat64.session_log",
    ),
    "a global of a strange kind": (
        ("nat64", {"globals": {"f-args": 1.5}}),
        "nat64.globals.f-args = 1.5: must be text in quotes, an integer, true or false",
    ),
    "a sysctl without a value": (
        ("gateway", {"sysctls": {"net.core.somaxconn": " "}}),
        "gateway.sysctls.net.core.somaxconn = ' ': must be what `sysctl` prints",
    ),
    "a fleet member at no port": (
        ("fleet", {"members": ["http://10.2.2.2:99999"]}),
        "fleet.members[0] = 'http://10.2.2.2:99999': must be the URL",
    ),
    "a fleet member with half an address": (
        ("fleet", {"members": ["http://[::1"]}),
        "fleet.members[0] = 'http://[::1': must be the URL",
    ),
    "a fleet member with a space": (
        ("fleet", {"members": ["http://gw 2:9465"]}),
        "fleet.members[0] = 'http://gw 2:9465': must be the URL",
    ),
    "a probe network over the router": (
        ("health", {"probe_network": "10.2.1.0/30"}),
        "health.probe_network = '10.2.1.0/30': contains bgp.router_id = 10.2.1.2: that address would become",
    ),
    "a probe network over the router alone": (
        ("health", {"probe_network": "10.2.1.0/31"}),
        "health.probe_network = '10.2.1.0/31': must be a /30 or /29",
    ),
    "a probe network over pool4": (
        ("health", {"probe_network": "192.0.2.8/29"}),
        "health.probe_network = '192.0.2.8/29': contains nat64.pool4[0].address = 192.0.2.11",
    ),
    "a probe network over a target": (
        ("health", {"probe_network": "198.51.100.80/30"}),
        "health.probe_network = '198.51.100.80/30': contains health.targets[0] = 198.51.100.80",
    ),
    "a router id of nobody": (
        ("bgp", {"router_id": "0.0.0.0"}),
        "bgp.router_id = '0.0.0.0': is not an address of a machine",
    ),
    "a router id in multicast": (
        ("bgp", {"router_id": "224.0.0.5"}),
        "bgp.router_id = '224.0.0.5': is a multicast group",
    ),
    "a router id on the loopback": (
        ("bgp", {"router_id": "127.0.0.1"}),
        "bgp.router_id = '127.0.0.1': is the loopback",
    ),
    "broadcast as next hop": (
        ("bgp", {"next_hop": "255.255.255.255"}),
        "bgp.next_hop = '255.255.255.255': is the broadcast address",
    ),
    "a reserved next hop": (("bgp", {"next_hop": "240.0.0.1"}), "bgp.next_hop = '240.0.0.1': is reserved"),
    "a peer in multicast": (
        ("bgp", {"peers": [{"address": "ff02::1", "as": 65000}]}),
        "bgp.peers[0].address = 'ff02::1': is a multicast group",
    ),
    "an IPv6 prefix without an IPv6 next hop": (
        ("bgp", {"prefixes": ["2002:cb00:7101::/48"]}),
        "bgp.prefixes[0] = '2002:cb00:7101::/48': needs bgp.next_hop6",
    ),
    "everybody in two halves": (
        ("gateway", {"clients": ["0.0.0.0/1", "128.0.0.0/1"]}),
        "gateway.clients = ['0.0.0.0/1', '128.0.0.0/1']: together are 4294967296 addresses (0.0.0.0/0), an open relay",
    ),
    "nearly everybody in pieces": (
        ("gateway", {"clients": ["10.0.0.0/8", "128.0.0.0/2", "192.0.0.0/3", "64.0.0.0/3"]}),
        "gateway.clients = [",
    ),
    "a way back inside our own": (
        ("gateway", {"routes": ["2002:cb00:7101:5::/64"]}),
        "gateway.routes[0] = '2002:cb00:7101:5::/64': is inside the VIP's own network",
    ),
    "a way back to neighbours": (
        ("gateway", {"routes": ["fe80::/64"]}),
        "gateway.routes[0] = 'fe80::/64': is link-local",
    ),
    "forwarding switched off": (
        ("gateway", {"sysctls": {"net.ipv4.ip_forward": "0"}}),
        "gateway.sysctls.net.ipv4.ip_forward = '0': must be 1: the gateway forwards IPv4",
    ),
    "forwarding switched off for one interface": (
        ("gateway", {"sysctls": {"net.ipv6.conf.eth0/100.forwarding": "0"}}),
        "gateway.sysctls.net.ipv6.conf.eth0/100.forwarding = '0': must be 1",
    ),
    "strict reverse path filtering": (
        ("gateway", {"sysctls": {"net.ipv4.conf.all.rp_filter": "1"}}),
        "gateway.sysctls.net.ipv4.conf.all.rp_filter = '1': must be 0 or 2",
    ),
    "IPv6 switched off": (
        ("gateway", {"sysctls": {"net.ipv6.conf.all.disable_ipv6": "1"}}),
        "gateway.sysctls.net.ipv6.conf.all.disable_ipv6 = '1': must be 0",
    ),
    "a truth value as a number": (("guard", {"max_removals": True}), "guard.max_removals = True"),
}


@pytest.mark.parametrize(("change", "expected"), SINGLE.values(), ids=SINGLE.keys())
def test_a_wrong_value_is_named_with_its_key_and_what_would_be_right(
    change: tuple[str, dict[str, Any]], expected: str, changed: Callable[..., dict[str, Any]]
) -> None:
    section, keys = change
    found = faults(changed(section, **keys))
    assert len(found) == 1, found
    assert found[0].startswith(expected)


def test_all_faults_are_told_at_once_single_values_and_combinations(shipped_data: dict[str, Any]) -> None:
    data = copy.deepcopy(shipped_data)
    data["gateway"] |= {"vip": "10.0.0.1", "mss": 1500, "tunnel": "up"}
    data["nat64"] |= {"udp_s": 1, "globals": {"f-args": 99}}
    data["bgp"] |= {"soft_fail_med": 1, "peers": [{"address": "10.2.1.1"}]}
    data["health"] |= {"targets": ["tcp://10.1.1.1:80", "nonsense"], "quorum": 9}
    found = "\n".join(faults(data))
    for key in (
        "gateway.vip =",
        "gateway.mss =",
        "gateway.tunnel =",
        "nat64.udp_s =",
        "nat64.globals.f-args =",
        "bgp.soft_fail_med =",
        "bgp.peers[0].as:",
        "health.targets[0] =",
        "health.targets[1] =",
        "health.quorum =",
    ):
        assert key in found, key


def test_one_wrong_value_of_a_table_hides_no_other(changed: Callable[..., dict[str, Any]]) -> None:
    told = faults(changed("nat64", globals={"f-args": 1.5, "f-arg": 1, "udp-timeout": "5:00"}))
    assert [line.partition(" = ")[0] for line in told] == [
        "nat64.globals.f-args",
        "nat64.globals.f-arg",
        "nat64.globals.udp-timeout",
    ]
