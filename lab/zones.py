"""The names of the lab's Internet, as zone files for NSD. Pure text."""

from lab.topology import Topology

SOA_MINIMUM_S = 60

_ZONE = """$ORIGIN {zone}.
$TTL 300
@ IN SOA ns.{zone}. hostmaster.{zone}. 1 3600 600 86400 {minimum}
@ IN NS ns.{zone}.
ns IN A {dns}
; IPv4 only: what DNS64 is for
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
    values = {"dns": topology.dns_server, "web": topology.web_server, "ping": topology.ping_server}
    return _ZONE.format(zone=topology.zone, minimum=SOA_MINIMUM_S, **values)


def nsd_configuration(topology: Topology) -> str:
    return f"""server:
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
zone:
  name: "{topology.zone}"
  zonefile: "/etc/nsd/{topology.zone}.zone"
"""
