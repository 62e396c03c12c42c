"""The names of the lab's Internet, as zone files for NSD. Pure text."""

from lab.topology import Topology

SOA_MINIMUM_S = 60

_HEAD = """$ORIGIN {zone}.
$TTL 300
@ IN SOA ns.{zone}. hostmaster.{zone}. 1 3600 600 86400 {minimum}
@ IN NS ns.{zone}.
ns IN A {dns}
"""

_NAMES = """; IPv4 only: what DNS64 is for
www IN A {web}
ping IN A {ping}
two IN A {web}
two IN A {ping}
alias IN CNAME www.{zone}.
chain IN CNAME alias.{zone}.
short 5 IN A {web}
; both families: the real AAAA wins
dual IN A {web}
dual IN AAAA 2001:db8:80::80
; IPv6 only, and neither
six IN AAAA 2001:db8:80::80
none IN TXT "no address at all"
"""


def zone_file(topology: Topology) -> str:
    values = {"zone": topology.zone, "dns": topology.dns_server, "web": topology.web_server, "ping": topology.ping_server}
    return (_HEAD + _NAMES).format(minimum=SOA_MINIMUM_S, **values)


def baidu_zone_file(topology: Topology) -> str:
    """The name of the picture in the README, with the lab's web server behind it."""
    head = _HEAD.format(zone="baidu.com", dns=topology.dns_server, minimum=SOA_MINIMUM_S)
    return head + f"www IN A {topology.web_server}\n"


def nsd_configuration(topology: Topology) -> str:
    zones = "".join(
        f'zone:\n  name: "{zone}"\n  zonefile: "/etc/nsd/{zone}.zone"\n' for zone in (topology.zone, "baidu.com")
    )
    server = f"""server:
  ip-address: {topology.dns_server}
  server-count: 1
  username: ""
  zonesdir: ""
  database: ""
  pidfile: ""
  xfrdfile: ""
  zonelistfile: "/tmp/nsd.zones"
  xfrdir: "/tmp"
remote-control:
  control-enable: no
"""
    return server + zones
