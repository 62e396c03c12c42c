"""A gateway with many public addresses, as an operator would write it."""

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

from kun_nat64.config.load import from_data
from kun_nat64.model.spec import AgentSpec

NETWORK = int(IPv4Address("198.18.0.0"))
TARGETS = ("tcp://198.51.100.80:80", "icmp://198.51.100.81")
PROTOCOLS = ("tcp", "udp", "icmp")


# Where a real speaker and its router find each other; nobody else has these addresses of loopback.
GATEWAY, ROUTER = "127.0.0.178", "127.0.0.179"


def written(addresses: int, admin_port: int, probe_netns: str, api: str, members: tuple[str, ...]) -> dict[str, Any]:
    """The file's content: a common gateway with `addresses` in pool4, each for three protocols.

    `api`: of a real GoBGP, asked the way it is by default; "": FRR is asked by vtysh, for which there is a stand-in.
    """
    pool4 = [
        {"address": str(IPv4Address(NETWORK + index)), "ports": "20000-60000", "protocols": list(PROTOCOLS)}
        for index in range(addresses)
    ]
    return {
        "gateway": {"name": "gw1", "vip": "203.0.113.1", "outside": "eth1", "clients": ["10.0.0.0/8"]},
        "nat64": {"pool4": pool4, "session_log": ""},
        "bgp": {
            **({"api": api} if api else {"speaker": "frr"}),
            "local_as": 65001,
            "router_id": "10.2.1.2",
            "next_hop": "10.2.1.2",
            "peers": [{"address": "10.2.1.1", "as": 65000}],
        },
        "health": {"targets": list(TARGETS), "probe_netns": probe_netns},
        "fleet": {"members": list(members)},
        "admin": {"listen": f"127.0.0.1:{admin_port}"},
    }


def spec_with(
    addresses: int, admin_port: int = 9465, probe_netns: str = "", api: str = "", members: tuple[str, ...] = ()
) -> AgentSpec:
    spec = from_data(written(addresses, admin_port, probe_netns, api, members), "bench")
    # A file that names the loopback is refused: no router reaches it. Here the router is on this machine.
    peers = tuple(replace(peer, address=IPv4Address(ROUTER)) for peer in spec.bgp.peers)
    here = IPv4Address(GATEWAY)
    bgp = replace(spec.bgp, router_id=here, next_hop=here, peers=peers)
    return replace(spec, bgp=bgp, gateway=replace(spec.gateway, uplink="lo"))
