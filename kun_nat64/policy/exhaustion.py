"""Tells pods that there is no public port left: ICMPv6 "address unreachable" (RFC 6146 section 3.5.2.3).

Jool drops what it has no port for, inside PREROUTING, and tells nobody. So while the ports for TCP are used up a table
of ours answers SYN packets that were sent again: the first one had no answer within the second that a client waits.
The pod's connect then ends at once, instead of after two minutes. UDP and ICMP have no packet that says "again": what
is refused there could be a packet of a good flow, so nothing is.
"""

from collections.abc import Mapping

from kun_nat64.model.facts import MARK, OwnChain, OwnTable
from kun_nat64.model.joolfacts import Protocol
from kun_nat64.model.spec import AgentSpec
from kun_nat64.model.tenantfacts import MARK_NUMBERS, TENANT_MARKS

# Of all ports for TCP. A port that a flow left is free again after minutes, so the end is not far from the beginning.
FULL, ROOM_AGAIN = 0.98, 0.95
# After the account of flows (-160), before MSS and Jool.
BEFORE = -144
# RFC 4443 section 2.4 (f): errors are bounded in their rate.
RATE = "limit rate 100/second burst 100 packets"
REMEMBERED = 65536

Ports = Mapping[tuple[str, str], tuple[int, int]]


def is_full(ports: Ports, before: bool) -> bool:
    """Whether TCP has no public ports left. `ports`: (address, protocol) to (used, total); `before`: so far."""
    counts = [count for (_, protocol), count in ports.items() if protocol == Protocol.TCP]
    used, total = sum(used for used, _ in counts), sum(total for _, total in counts)
    return total > 0 and used >= total * (ROOM_AGAIN if before else FULL)


def refusals(spec: AgentSpec) -> OwnTable:
    gateway = spec.gateway
    flow = "ip6 saddr . tcp sport . ip6 daddr . tcp dport"
    # Tenants have ports of their own.
    others = f"meta mark & {~MARK_NUMBERS & 0xFFFFFFFF:#x} != {TENANT_MARKS:#x}"
    syn = f'iifname "{gateway.inside_link}" ip6 daddr {gateway.pool6} {others} tcp flags & (syn | ack | rst) == syn'
    key = "type ipv6_addr . inet_service . ipv6_addr . inet_service; flags dynamic,timeout"
    again = f"{syn} {flow} @asked {RATE} counter reject with icmpv6 type addr-unreachable"
    return OwnTable(
        f"ip6 {MARK}-full",
        "which tells pods that all public ports are in use",
        (OwnChain("pods", f"prerouting priority {BEFORE}", (again, f"{syn} update @asked {{ {flow} }}")),),
        (f"asked {{ {key}; size {REMEMBERED}; timeout 10s; }}",),
    )
