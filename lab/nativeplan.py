"""The lab without 6to4: the same hosts and cables, pods of native IPv6, and pool6 announced by BGP over IPv6."""

from dataclasses import replace
from ipaddress import IPv6Network

from lab.topology import Cable, Gateway, Host, Port, Route, Topology

POOL6 = IPv6Network("2001:db8:64::/96")
PODS = IPv6Network("2001:db8:a1::/48")
# 1500 - 40 (IPv6) - 20 (TCP): as in the shipped kun-nat64-native.toml.
MSS = 1440
POD, NODE_OF_POD = "2001:db8:a1:1::10", "2001:db8:a1:1::1"
NODE, TOR_OF_NODE = "2001:db8:1::2", "2001:db8:1::1"
DNS, TOR_OF_DNS = "2001:db8:3::2", "2001:db8:3::1"


def inside6(gateway: Gateway) -> str:
    return f"2001:db8:2:{gateway.name.removeprefix('gw')}::2"


def tor6(gateway: Gateway) -> str:
    return f"2001:db8:2:{gateway.name.removeprefix('gw')}::1"


def natively(plan: Topology) -> Topology:
    more = {
        ("node", "eth0"): NODE,
        ("tor", "node0"): TOR_OF_NODE,
        ("dns", "eth0"): DNS,
        ("tor", "dns0"): TOR_OF_DNS,
        **{(gateway.name, "eth0"): inside6(gateway) for gateway in plan.gateways},
        **{("tor", gateway.name): tor6(gateway) for gateway in plan.gateways},
    }
    instead = {("pod", "eth0"): POD, ("node", "pod0"): NODE_OF_POD}
    return replace(
        plan,
        hosts=tuple(_host(host, plan) for host in plan.hosts),
        cables=tuple(_cable(cable, more, instead) for cable in plan.cables),
        pod_address=POD,
        dns64_address=DNS,
        pool6=POOL6,
        native=True,
        mss=MSS,
    )


def _cable(cable: Cable, more: dict[tuple[str, str], str], instead: dict[tuple[str, str], str]) -> Cable:
    def port(host: str, port: Port) -> Port:
        end = host, port.name
        kept = () if end in instead else port.addresses
        added = [f"{found[end]}/64" for found in (more, instead) if end in found]
        return replace(port, addresses=(*kept, *added))

    return replace(cable, left_port=port(cable.left, cable.left_port), right_port=port(cable.right, cable.right_port))


def _host(host: Host, plan: Topology) -> Host:
    """The ways to the pods and to pool6 that a fabric of IPv6 has."""
    routes = {
        "pod": (Route("default", NODE_OF_POD),),
        "node": (*host.routes, Route("default", TOR_OF_NODE)),
        "tor": (Route(str(PODS), NODE),),
        "dns": (*host.routes, Route(str(PODS), TOR_OF_DNS)),
        **{one.name: (*host.routes, Route(str(PODS), tor6(one))) for one in plan.gateways},
    }.get(host.name, host.routes)
    return replace(host, routes=routes, sixto4="", nameserver=DNS if host.nameserver else "")
