"""Fragments that Jool would send on with a wrong checksum: dropped and counted (RFC 7915 section 4.5).

A UDP datagram without a checksum (0) gets one when it becomes IPv6. Jool computes it from the first fragment alone
(seen with 4.1.9), so the pod drops the datagram after all of it has arrived. The RFC wants such a fragment
dropped where the checksum cannot be computed. Here the first one is, before the kernel puts fragments together.
"""

from kun_nat64.model.facts import MARK, OwnChain, OwnTable
from kun_nat64.model.spec import AgentSpec
from kun_nat64.policy.ruleset import public_addresses

# The kernel puts fragments together at -400.
BEFORE = -410


def broken_fragments(spec: AgentSpec) -> OwnTable:
    addresses = ", ".join(sorted(map(str, public_addresses(spec))))
    # More fragments follow, offset 0: the first one, which has the UDP header.
    first = f"ip daddr {{ {addresses} }} ip frag-off & 0x3fff == 0x2000"
    return OwnTable(
        f"ip {MARK}-fragments",
        "which drops and counts fragmented UDP without a checksum",
        (OwnChain("early", f"prerouting priority {BEFORE}", (f"{first} udp checksum 0 counter drop",)),),
    )
