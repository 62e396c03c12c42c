"""Carries the ECN field over the translator (RFC 3168, RFC 9331; RFC 7915 section 5.1 wants the class copied).

Jool asks for a route with the packet's class and sends with what the look-up leaves of it: kernels before 6.12 leave
bits 1 to 4, later ones the DSCP; in both the ECN field is lost, and with it a congestion mark that a switch has set.
Jool's packet is a copy of the pod's with the same priority (pskb_copy), so that one carries two bits over. Answers keep
their class by themselves.
"""

from kun_nat64.model.facts import MARK, OwnChain, OwnTable
from kun_nat64.model.ringfacts import LINK_PREFIX
from kun_nat64.model.spec import GatewaySpec

# Between the rules for MSS (-150) and Jool (-75); and after it.
BEFORE, AFTER = -145, -140
FIELDS = (("ect1", "1:1"), ("ect0", "1:2"), ("ce", "1:3"))


def carried_ecn(gateway: GatewaySpec, *, with_ring: bool = False) -> OwnTable:
    """Not-ECT needs no rule: it is what the translator sends."""
    inside = (gateway.inside_link, *((f"{LINK_PREFIX}*",) if with_ring else ()))
    pods = [f'iifname "{link}" ip6 daddr {gateway.pool6} ip6 ecn' for link in inside]
    note = tuple(f"{each} {field} meta priority set {noted}" for each in pods for field, noted in FIELDS)
    # The priority is put back, or a classful queue would take it for the name of a class.
    write = tuple(
        f"meta nfproto ipv4 meta priority {noted} ip ecn set {field} meta priority set 0:0" for field, noted in FIELDS
    )
    return OwnTable(
        f"inet {MARK}-ecn",
        "which carries ECN over the translator",
        (
            OwnChain("pods", f"prerouting priority {BEFORE}", note),
            OwnChain("out", f"postrouting priority {AFTER}", write),
        ),
    )
