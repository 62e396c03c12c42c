"""The configuration files of every host: the shipped ones of gateway-config/, with this host's addresses put in.

Pure: texts in, texts out. The shipped files describe gateway gw1 of the example network, and so does the lab; the other
gateways differ by a handful of values, which are replaced where they stand.
"""

import re

from lab.nativeplan import PODS, inside6, tor6
from lab.shipped import Files, put
from lab.speakers import routers_bfd, speaker_files, with_speaker
from lab.topology import Gateway, Host, Topology
from lab.zones import nsd_configuration, zone_file

SHIPPED = (
    "kun-nat64.toml",
    "kun-nat64-native.toml",
    "gobgp/gobgpd-native.conf",
    "bird/kun-tor-native.conf",
    "gobgp/gobgpd.conf",
    "bird/kun-tor.conf",
    "bird/kun-gateway.conf",
    "frr/frr.conf",
    "node/kun-6to4.conf",
    "sysctl.d/60-kun-nat64.conf",
    "sysctl.d/60-kun-tor.conf",
)


def host_files(topology: Topology, host: Host, shipped: Files) -> Files:
    """Absolute path to content, for one host. `shipped` maps the names in SHIPPED to their texts."""
    files: Files = {}
    if host.nameserver:
        files["/etc/resolv.conf"] = f"nameserver {host.nameserver}\noptions timeout:2 attempts:3\n"
    if host.sixto4:
        files["/etc/kun/kun-6to4.conf"] = put(shipped["node/kun-6to4.conf"], r"(?<=^LOCAL=).*$", host.sixto4)
    if host.name == "tor":
        name = "bird/kun-tor-native.conf" if topology.native else "bird/kun-tor.conf"
        files["/etc/bird/kun-tor.conf"] = tor_configuration(topology, shipped[name])
        files["/etc/sysctl.d/60-kun-tor.conf"] = shipped["sysctl.d/60-kun-tor.conf"]
    if host.name == "dns":
        files["/etc/kun/kun-dns64.toml"] = dns64_configuration(topology)
    if host.name == "internet":
        files["/etc/nsd/nsd.conf"] = nsd_configuration(topology)
        files[f"/etc/nsd/{topology.zone}.zone"] = zone_file(topology)
    if host.name in {gateway.name for gateway in topology.gateways}:
        files |= gateway_files(topology, topology.gateway(host.name), shipped)
    return files


def gateway_files(topology: Topology, gateway: Gateway, shipped: Files) -> Files:
    if topology.native:
        return {
            "/etc/kun/kun-nat64.toml": native_configuration(topology, gateway, shipped["kun-nat64-native.toml"]),
            "/etc/kun/gobgpd.conf": gobgpd_configuration(
                gateway, shipped["gobgp/gobgpd-native.conf"], tor6(gateway), inside6(gateway)
            ),
            "/etc/sysctl.d/60-kun-nat64.conf": shipped["sysctl.d/60-kun-nat64.conf"],
        }
    return {
        "/etc/kun/kun-nat64.toml": nat64_configuration(topology, gateway, shipped["kun-nat64.toml"]),
        "/etc/kun/gobgpd.conf": gobgpd_configuration(
            gateway, shipped["gobgp/gobgpd.conf"], gateway.tor, gateway.inside
        ),
        "/etc/sysctl.d/60-kun-nat64.conf": shipped["sysctl.d/60-kun-nat64.conf"],
        **speaker_files(gateway, shipped),
    }


def nat64_configuration(topology: Topology, gateway: Gateway, shipped: str) -> str:
    text = _of_gateway(topology, gateway, shipped)
    text = put(text, r'(?<=^next_hop = )"[\d.]+"', f'"{gateway.inside}"')
    text = put(text, r'(?<=^peers = \[\{ address = )"[\d.]+"', f'"{gateway.tor}"')
    # Three agents share two emulated cores: at the shipped pace they would measure one another.
    for key, shipped_value, calm in (("interval_s", "0.2", "0.5"), ("timeout_s", "0.3", "0.9")):
        text = put(text, rf"(?<=^{key} = ){re.escape(shipped_value)}$", calm)
    return with_speaker(gateway, put(text, r"(?<=^observe_s = )2\.0", "4.0"))


# Keys that the shipped native file leaves at their defaults, each with its section and with what is right here.
CALM = {
    "gateway": "observe_s = 4.0",
    "health": "interval_s = 0.5\ntimeout_s = 0.9\nrise = 10\nhold_down_s = 5.0\nhold_down_max_s = 300.0",
    "fleet": "poll_s = 1.0\ntimeout_s = 0.8",
}


def native_configuration(topology: Topology, gateway: Gateway, shipped: str) -> str:
    text = _of_gateway(topology, gateway, shipped)
    text = put(text, r'(?<=^next_hop6 = )"[0-9a-f:]+"', f'"{inside6(gateway)}"')
    text = put(text, r'(?<=^peers = \[\{ address = )"[0-9a-f:]+"', f'"{tor6(gateway)}"')
    for section, keys in CALM.items():
        text = put(text, rf"^\[{section}\]$", f"[{section}]\n{keys}")
    return text


def _of_gateway(topology: Topology, gateway: Gateway, shipped: str) -> str:
    """With the values that both shipped files of an agent have."""
    others = [f'"http://{other.inside}:9465"' for other in topology.gateways if other != gateway]
    text = put(shipped, r'(?<=^name = )"\w+"', f'"{gateway.name}"')
    text = put(text, r'(?<=^pool4 = \[\{ address = )"[\d.]+"', f'"{gateway.public}"')
    text = put(text, r'(?<=^router_id = )"[\d.]+"', f'"{gateway.inside}"')
    text = put(text, r"(?<=^members = )\[.*?\](?=\s*(#.*)?$)", f"[{', '.join(others)}]")
    # The other gateways and the DNS server look at it. Commands of tests do, too, so that both are the same address.
    text = put(text, r'(?<=^listen = )"(10\.2\.1\.2|\[2001:db8:2:1::2\]):9465"', f'"{gateway.inside}:9465"')
    return put(text, r'(?<=^listen = )"127\.0\.0\.1:9465"', f'"{gateway.inside}:9465"')


def gobgpd_configuration(gateway: Gateway, shipped: str, peer: object, own: object) -> str:
    """`peer`, `own`: both ends of the BGP session."""
    text = put(shipped, r'(?<=^  router-id = )"[\d.]+"', f'"{gateway.inside}"')
    text = put(text, r'(?<=^    neighbor-address = )"[0-9a-f:.]+"', f'"{peer}"')
    return put(text, r'(?<=^    local-address = )"[0-9a-f:.]+"', f'"{own}"')


def tor_configuration(topology: Topology, shipped: str) -> str:
    """The shipped file knows gw1 to gw3; a lab with more or fewer gateways has as many protocols."""
    lines = [line for line in shipped.splitlines() if not re.match(r"protocol bgp gw\d+ ", line)]
    lines += [
        f"protocol bgp {g.name} from kun_gateway {{"
        f" neighbor {inside6(g) if topology.native else g.inside} as gateway_as;{_bfd(g)} }}"
        for g in topology.gateways
    ]
    lines += [bfd] if (bfd := routers_bfd(topology)) else []
    return "\n".join(lines) + "\n"


def _bfd(gateway: Gateway) -> str:
    return " bfd on;" if gateway.has_bfd else ""


def dns64_configuration(topology: Topology) -> str:
    status = ", ".join(f'"http://{gateway.inside}:9465/readyz"' for gateway in topology.gateways)
    served = f'prefixes = ["{topology.pool6}"]' if topology.native else 'vip = "203.0.113.1"'
    clients = f'allow_clients = ["127.0.0.0/8", "::1/128", "{PODS}"]\n' if topology.native else ""
    return f"""[server]
{clients}listen = ["[{topology.dns64_address}]:53", "127.0.0.1:53"]
workers = 1

[upstream]
servers = ["udp://{topology.dns_server}:53"]

[dns64]
{served}
gateway_status = [{status}]
"""
