"""Words for the causes that are another thing where pods' packets come without a tunnel."""

from kun_nat64.model.diagnosis import Cause, Diagnosis

SEE_ROUTES = "`ip -6 route get POD`, `ip -6 rule`"
SAID = (
    Diagnosis(
        Cause.POOL6_WRONG,
        "the Jool instance translates another prefix than [nat64] pool6",
        "the agent creates the instance again; its sessions are lost",
    ),
    Diagnosis(
        Cause.RETURN_ROUTE_MISSING,
        "there is no IPv6 route back to the pods by the uplink: answers arrive from outside and go nowhere",
        f"`ip -6 route add PODS via ROUTER dev UPLINK`; {SEE_ROUTES}",
    ),
    Diagnosis(
        Cause.FOREIGN_RULE,
        "a routing rule that is not ours, or the lack of the kernel's own, leads the pods' answers elsewhere",
        "`ip -6 rule`: remove it, or let it leave out the pods; with systemd-networkd, "
        "ManageForeignRoutingPolicyRules=no",
    ),
    Diagnosis(
        Cause.QUEUE_DROPS,
        "a foreign queueing discipline or filter drops packets on the uplink",
        "`tc qdisc show dev UPLINK`, `tc filter show dev UPLINK ingress`",
    ),
    Diagnosis(
        Cause.NODES_ROUTER_SILENT,
        "the router towards the pods does not answer neighbour discovery",
        "`ip -6 neigh` on the uplink; the cable, the VLAN",
    ),
    Diagnosis(
        Cause.DROPPED_BEFORE_TRANSLATOR,
        "packets for pool6 come in by the uplink and do not reach Jool",
        "`ip6tables-save -c -t raw`, `-t mangle`: a rule of PREROUTING takes them; `nft list ruleset`",
    ),
    Diagnosis(
        Cause.ROUTER_RETURNS_NOTHING,
        "answers leave by the uplink, and the router does not bring them back to this gateway",
        "its filters against pool6 as a source (uRPF) or against bgp.next_hop6, a queue on the uplink; a router "
        'that never sends a packet back to where it came from needs [health] way_back = "uplink"',
    ),
    Diagnosis(
        Cause.ANSWERS_DO_NOT_LEAVE,
        "answers arrive from outside and do not leave by the uplink towards the pods",
        f"{SEE_ROUTES}; `nft list ruleset`: a rule of postrouting; `tc -s qdisc`",
    ),
    Diagnosis(
        Cause.NODES_CUT_OFF,
        "some pods that have sessions here have no way back by the uplink",
        SEE_ROUTES,
    ),
)
WITHOUT_A_TUNNEL = {each.cause: each for each in SAID}
