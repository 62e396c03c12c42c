"""The rows of the diagnosis for the way back: from the translator through the tunnel to the router and on.

BY_FACTS uses routes, rules and queues. BY_COUNTERS uses the packets that passed each point during the fault. LIMITS
holds while probes come back: some pods have no route back, or large packets are lost.
"""

from collections.abc import Callable

from kun_nat64.model.diagnosis import Cause, Diagnosis
from kun_nat64.policy.diagnosis_input import DiagnosisInput

Row = tuple[Callable[[DiagnosisInput], bool], Diagnosis]
SEE_ROUTES = "`ip route get NODE from VIP`, `ip -6 route get POD`, `ip rule`, `ip -6 rule`"


def _led_astray(signs: DiagnosisInput) -> bool:
    """Whether a route is wrong and foreign routing rules may be the reason."""
    back = signs.around.back
    return signs.any_fails and bool(back.rules) and bool(back.nodes or back.pods)


def _stuck(signs: DiagnosisInput) -> bool:
    """Whether answers arrive from outside and none leaves by the uplink."""
    return signs.all_fail and signs.replies > 0 and signs.passes("left") is False


BY_FACTS: tuple[Row, ...] = (
    (
        _led_astray,
        Diagnosis(
            Cause.FOREIGN_RULE,
            "a routing rule that is not ours, or the lack of the kernel's own, leads the pods' answers elsewhere",
            "`ip rule`, `ip -6 rule`: remove it, or let it leave out the VIP and 2002::/16; with systemd-networkd, "
            "ManageForeignRoutingPolicyRules=no",
        ),
    ),
    (
        lambda s: s.any_fails and bool(s.around.back.nodes),
        Diagnosis(
            Cause.NODES_ROUTE_MISSING,
            "the VIP has no IPv4 route back to the nodes by the uplink: answers leave the tunnel and go nowhere",
            "`ip route add NODES via ROUTER`; `ip route get NODE from VIP`; [health] probe_node, [gateway] uplink",
        ),
    ),
    (
        lambda s: s.any_fails and bool(s.around.back.pods),
        Diagnosis(
            Cause.RETURN_ROUTE_MISSING,
            "the IPv6 route back to the pods does not lead into the tunnel",
            f"remove the route that is in its way: {SEE_ROUTES}",
        ),
    ),
    (
        lambda s: s.all_fail and bool(s.around.back.drops),
        Diagnosis(
            Cause.PROTOCOL_41_KEPT_IN,
            "a firewall rule of this machine drops protocol 41 on its way out: answers do not reach the nodes",
            "let protocol 41 from the VIP pass, above that rule",
        ),
    ),
    (
        lambda s: s.all_fail and bool(s.around.back.queues) and s.passes("left") is not True,
        Diagnosis(
            Cause.QUEUE_DROPS,
            "a foreign queueing discipline or filter drops packets on the tunnel or on the uplink",
            "`tc qdisc show`, `tc filter show dev TUNNEL ingress`; `tc qdisc del dev TUNNEL root`",
        ),
    ),
    (
        lambda s: s.any_fails and bool(s.around.back.silent),
        Diagnosis(
            Cause.NODES_ROUTER_SILENT,
            "the router towards the nodes does not answer ARP",
            "`ip neigh` on the uplink; the cable, the VLAN",
        ),
    ),
)

BY_COUNTERS: tuple[Row, ...] = (
    (
        lambda s: s.all_fail and s.passes("left") is True and s.passes("back") is False,
        Diagnosis(
            Cause.ROUTER_RETURNS_NOTHING,
            "answers leave by the uplink, and the router does not bring them back to this gateway",
            "its filters against protocol 41 or against the VIP as a source (uRPF), a queue on the uplink; a router "
            'that never sends a packet back to where it came from needs [health] way_back = "uplink"',
        ),
    ),
    (
        lambda s: _stuck(s) and s.passes("tunnel errors") is True,
        Diagnosis(
            Cause.NODES_ROUTE_MISSING,
            "the tunnel finds no IPv4 route to the nodes",
            f"`ip -s link show TUNNEL` counts carrier errors; {SEE_ROUTES}",
        ),
    ),
    (
        _stuck,
        Diagnosis(
            Cause.ANSWERS_DO_NOT_LEAVE,
            "answers arrive from outside and do not leave by the uplink towards the nodes",
            f"{SEE_ROUTES}; `nft list ruleset`: a rule of output or postrouting; `tc -s qdisc`; `ip xfrm policy`",
        ),
    ),
)

LIMITS: tuple[Row, ...] = (
    (
        lambda s: bool(s.cut_off),
        Diagnosis(
            Cause.NODES_CUT_OFF,
            "some replies do not reach nodes that have sessions here, or another one than the rest",
            f"{SEE_ROUTES}; the tunnel has one next hop for all nodes: docs/way-back.md",
        ),
    ),
    (
        lambda s: s.too_narrow,
        Diagnosis(
            Cause.PATH_TOO_NARROW,
            "full TCP segments do not come back: a link outside has less than outside_mtu and sends no ICMP error",
            '[gateway] mss as `kun-nat64 doctor` says, or mss = "auto"; the link',
        ),
    ),
)
