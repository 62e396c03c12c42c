"""Finds the broken part from patterns of probes, facts and counters, learned from injected faults.

The first row whose condition holds names the cause. Rows with facts come first, then rows with counters, then rows with
only the pattern of probes.
"""

from collections.abc import Callable

from kun_nat64.model.diagnosis import Cause, Diagnosis
from kun_nat64.model.health import Symptom
from kun_nat64.model.spec import TargetKind
from kun_nat64.model.standing import Reason
from kun_nat64.policy.diagnosis_input import WELL, DiagnosisInput
from kun_nat64.policy.native_words import WITHOUT_A_TUNNEL
from kun_nat64.policy.speaker_remedies import for_speaker
from kun_nat64.policy.wayback import BY_COUNTERS, BY_FACTS, LIMITS

FQ_IS_SAFE_FROM = (4, 1, 10)
BY_SPEAKER = "speaker_remedies.py has it"

Row = tuple[Callable[[DiagnosisInput], bool], Diagnosis]


def _fq_trap(signs: DiagnosisInput) -> bool:
    return signs.qdisc == "fq" and bool(signs.jool_version) and signs.jool_version < FQ_IS_SAFE_FROM


def _lacks_protocol(signs: DiagnosisInput) -> bool:
    """Whether pool4 lacks a protocol: as read back, or by one failing protocol and Jool's counter."""
    named = {TargetKind.TCP: "tcp", TargetKind.ICMP: "icmp", TargetKind.DNS: "udp"}
    failing = {named[kind] for kind, seen in signs.symptoms.items() if not seen & WELL}
    absent = bool(signs.pool4) and bool((failing | signs.pool4_wanted) - (signs.pool4 or frozenset()))
    return absent or (bool(failing) and not signs.all_fail and signs.rises("MASK_DOMAIN_NOT_FOUND"))


def _no_way_out(signs: DiagnosisInput) -> bool:
    """Whether translated packets find no route out. False if the kernel has just found a default route."""
    lost = signs.rises("FAILED_ROUTES") or Symptom.NO_ROUTE_HERE in signs.all_symptoms
    return signs.any_fails and lost and signs.around.default_route is not True


def _kept_from_jool(signs: DiagnosisInput) -> bool:
    """Whether packets arrive and none for pool6 reaches Jool. RECEIVED6 also counts the host's own, as of the ring."""
    came = signs.native or bool(signs.tunnel_rx)
    return signs.all_fail and came and bool(signs.counters) and signs.requests <= 0


TABLE: tuple[Row, ...] = (
    (
        lambda s: Reason.CARRIER_DOWN in s.hard,
        Diagnosis(Cause.OUTSIDE_LINK_DOWN, "the outside interface has no link", "look at the cable, the switch port"),
    ),
    (
        lambda s: Reason.MODULE_MISSING in s.hard,
        Diagnosis(
            Cause.MODULE_MISSING,
            "the Jool module is not loaded",
            "`modprobe jool`; `dkms status` shows why it is missing",
        ),
    ),
    (
        lambda s: s.pool6_differs,
        Diagnosis(
            Cause.POOL6_WRONG,
            "the Jool instance translates another prefix: packets for ours go back to the kernel, which has no route",
            "the agent creates the instance again; its sessions are lost",
        ),
    ),
    (
        lambda s: Reason.INSTANCE_MISSING in s.hard,
        Diagnosis(Cause.INSTANCE_MISSING, "the Jool instance is missing", "the agent creates it again"),
    ),
    (
        lambda s: Reason.INSTANCE_PAUSED in s.hard or s.rises("XLATOR_DISABLED"),
        Diagnosis(Cause.PAUSED, "the Jool instance is switched off", "`jool global update manually-enabled true`"),
    ),
    (
        lambda s: Reason.TUNNEL_MISSING in s.hard and s.fallback_up and not s.all_fail,
        Diagnosis(
            Cause.FALLBACK_TUNNEL_MASKS,
            "our tunnel is missing, and the kernel's fallback tunnel sit0 works in its place",
            "the agent makes the tunnel and sets sit0 down",
        ),
    ),
    (
        lambda s: Reason.TUNNEL_MISSING in s.hard,
        Diagnosis(Cause.TUNNEL_MISSING, "the 6to4 tunnel is missing or down", "the agent creates it again"),
    ),
    (
        lambda s: Reason.VIP_MISSING in s.hard,
        Diagnosis(Cause.VIP_MISSING, "the VIP is not on the loopback interface", "the agent adds it"),
    ),
    (
        lambda s: s.one_armed and s.all_fail,
        Diagnosis(
            Cause.ONE_ARMED,
            "pods' packets come in by the interface outside, where protocol 41 is dropped",
            "[gateway] one_armed = true, if inside and outside are one interface; else [gateway] outside, uplink",
        ),
    ),
    (
        lambda s: bool(s.around.input_drops) and s.any_fails,
        Diagnosis(
            Cause.PROTOCOL_41_DROPPED,
            "a firewall rule of this machine drops protocol 41 before the tunnel sees it",
            "let protocol 41 to the VIP through, above that rule",
        ),
    ),
    *BY_FACTS,
    (
        lambda s: _fq_trap(s) and s.any_fails,
        Diagnosis(
            Cause.FQ_DROPS,
            "the queueing discipline fq drops what Jool before 4.1.10 sends",
            "`tc qdisc replace dev OUTSIDE root fq_codel`, and net.core.default_qdisc = fq_codel",
        ),
    ),
    (
        lambda s: s.pool4 is not None and not s.pool4,
        Diagnosis(
            Cause.POOL4_EMPTY,
            "pool4 is empty: Jool uses 4535 ports of the outside interface's own address",
            "the agent fills it",
        ),
    ),
    (
        _lacks_protocol,
        Diagnosis(Cause.POOL4_LACKS_PROTOCOL, "pool4 has no ports for one protocol", "the agent adds them"),
    ),
    (
        lambda s: (s.pool_use or 0) >= s.pool_limit,
        Diagnosis(
            Cause.POOL4_EXHAUSTED,
            "the public ports are used up: new flows get no answer, and Jool reports nothing",
            "more addresses in [nat64] pool4",
        ),
    ),
    (
        lambda s: not s.pods_route,
        Diagnosis(
            Cause.RETURN_ROUTE_MISSING,
            "the route back to the pods is missing: answers arrive from outside and go nowhere",
            "[gateway] routes must lead into the tunnel; the agent adds them",
        ),
    ),
    (
        lambda s: s.any_fails and s.around.default_route is False,
        Diagnosis(
            Cause.NO_DEFAULT_ROUTE,
            "there is no IPv4 route to the outside",
            "`ip route add default via NEXT-HOP dev OUTSIDE`; with forwarding on, accept_ra needs the value 2",
        ),
    ),
    (
        lambda s: s.any_fails and s.rises("FAILED_ROUTES") and s.replies > 0,
        Diagnosis(
            Cause.RETURN_ROUTE_MISSING,
            "answers arrive from outside and find no way back to the pods",
            "2002::/16 must lead into the tunnel; the agent adds it",
        ),
    ),
    (
        lambda s: s.any_fails and bool(s.around.silent),
        Diagnosis(
            Cause.UPSTREAM_DEAD,
            "the next router towards the targets does not answer ARP",
            "`ip neigh` on the outside interface; the cable, the VLAN; then the provider",
        ),
    ),
    (
        _no_way_out,
        Diagnosis(Cause.NO_DEFAULT_ROUTE, "translated packets find no route to the outside", "`ip route get TARGET`"),
    ),
    (
        lambda s: Symptom.NO_ROUTE_BEYOND in s.all_symptoms,
        Diagnosis(
            Cause.UPSTREAM_DEAD,
            "a router outside, or this host about its next hop, says that the target cannot be reached",
            "`ip neigh` on the outside interface; then the provider",
        ),
    ),
    (
        lambda s: s.any_fails and s.around.tracked is not None,
        Diagnosis(
            Cause.CONNTRACK_FULL,
            "the kernel's table of tracked connections is full, and it drops the packets of new ones",
            "`sysctl -w net.netfilter.nf_conntrack_max=NUMBER`; or no tracking of what needs none: `iptables -t raw -I "
            "PREROUTING -p 41 -j NOTRACK`",
        ),
    ),
    (
        lambda s: s.all_fail and s.tunnel_rx == 0,
        Diagnosis(
            Cause.PACKETS_DO_NOT_ARRIVE,
            "nothing comes out of the tunnel: a filter, rp_filter or the way to the VIP takes the packets",
            "`iptables -L INPUT -v`, `nft list ruleset`, `sysctl net.ipv4.conf.all.rp_filter` (0 or 2)",
        ),
    ),
    (
        _kept_from_jool,
        Diagnosis(
            Cause.DROPPED_BEFORE_TRANSLATOR,
            "packets come out of the tunnel and do not reach Jool",
            "`ip6tables-save -c -t raw`, `-t mangle`: a rule of PREROUTING takes them; `nft list ruleset`",
        ),
    ),
    *BY_COUNTERS,
    (
        lambda s: s.all_fail and bool(s.around.answer_drops),
        Diagnosis(
            Cause.CONNTRACK_DROPS,
            "a firewall rule of this machine drops the answers: the kernel's connection tracking does not know them",
            "let packets to the pool4 addresses pass above that rule, or exempt them: `-t raw -j CT --notrack`",
        ),
    ),
    (
        lambda s: s.all_fail and bool(s.around.absent) and s.rises("SUCCESS"),
        Diagnosis(
            Cause.POOL4_ELSEWHERE,
            "packets leave with a pool4 address that is on no interface here, and no answers come back",
            "`ip address add ADDRESS dev OUTSIDE`, or a route to this host for it at the next router",
        ),
    ),
    (
        lambda s: s.all_fail and s.rises("SUCCESS"),
        Diagnosis(
            Cause.REPLIES_MISSING,
            "packets are translated and leave, and no answers come back",
            "the pool4 address must be on the outside interface or routed here; no rule may drop ctstate INVALID",
        ),
    ),
    (
        lambda s: s.any_fails and not s.all_fail,
        Diagnosis(Cause.TARGET_DEAD, "some targets answer and others do not: look at those", "ask the other gateways"),
    ),
    (
        lambda s: s.any_fails,
        Diagnosis(Cause.UNKNOWN, "no probe comes back; the cause is unknown", "`kun-nat64 doctor`"),
    ),
    *LIMITS,
    (
        lambda s: bool(s.speaker_error),
        Diagnosis(
            Cause.SPEAKER_SILENT,
            "the BGP speaker does not answer: nothing can be announced or withdrawn",
            BY_SPEAKER,
        ),
    ),
    (
        lambda s: s.path_refused,
        Diagnosis(
            Cause.PATH_REFUSED,
            "the BGP speaker accepts the path and then lacks it: its own configuration refuses it",
            BY_SPEAKER,
        ),
    ),
    (
        lambda s: bool(s.path_unsent),
        Diagnosis(
            Cause.PATH_NOT_SENT,
            "the BGP speaker has the path and does not send it to a router with a session",
            BY_SPEAKER,
        ),
    ),
    (
        lambda s: bool(s.sessions_down),
        Diagnosis(
            Cause.SESSION_DOWN,
            "a BGP session is not established: that router sends nothing here",
            BY_SPEAKER,
        ),
    ),
    (
        lambda s: not s.symptoms or not s.all_symptoms & WELL,
        Diagnosis(Cause.NO_PROBES, "no probe could be made", "`kun-nat64 doctor`; the probe's network namespace"),
    ),
)
__all__ = ["FQ_IS_SAFE_FROM", "HEALTHY", "TABLE", "Cause", "Diagnosis", "diagnose"]
HEALTHY = Diagnosis(Cause.NONE, "probes come back")


def diagnose(signs: DiagnosisInput) -> Diagnosis:
    """The first row that fits; HEALTHY where none does."""
    found = next((diagnosis for holds, diagnosis in TABLE if holds(signs)), HEALTHY)
    found = WITHOUT_A_TUNNEL.get(found.cause, found) if signs.native else found
    return for_speaker(found, signs.speaker)
