"""Counts IPv4 packets and bytes by public address and protocol, just before Jool and after it.

Each packet costs one look-up in a set; its element has a counter for each processor. The kernel counts what it
handles as one packet: segments that a network card or GRO has joined count once, with all their bytes.
"""

from kun_nat64.model.facts import MARK, OwnChain, OwnTable
from kun_nat64.model.joolfacts import Protocol
from kun_nat64.model.spec import AgentSpec
from kun_nat64.policy.ruleset import public_addresses

TABLE = f"ip {MARK}-traffic"
RECEIVED, SENT = "received", "sent"
# After our own rules and the kernel's defragmentation, before Jool (-75); and after Jool.
BEFORE, AFTER = -80, -140
# Beyond it the addresses are counted as one, which is called so.
MOST_ADDRESSES, ALL = 256, "all"


def counted_traffic(spec: AgentSpec) -> OwnTable:
    addresses = sorted(map(str, public_addresses(spec)))
    each = len(addresses) <= MOST_ADDRESSES
    keys = [f"{one} . {protocol}" for one in addresses for protocol in Protocol] if each else list(Protocol)
    kind = "ipv4_addr . inet_proto" if each else "inet_proto"
    elements = f"{{ type {kind}; counter; elements = {{ {', '.join(keys)} }}; }}"
    ours = f"{{ {', '.join(addresses)} }}"
    rules = {
        name: f"ip {side} . meta l4proto @{name}" if each else f"ip {side} {ours} meta l4proto @{name}"
        for name, side in ((RECEIVED, "daddr"), (SENT, "saddr"))
    }
    return OwnTable(
        TABLE,
        "which counts traffic by public address and protocol",
        (
            OwnChain("in", f"prerouting priority {BEFORE}", (rules[RECEIVED],)),
            OwnChain("out", f"postrouting priority {AFTER}", (rules[SENT],)),
        ),
        (f"{RECEIVED} {elements}", f"{SENT} {elements}"),
    )
