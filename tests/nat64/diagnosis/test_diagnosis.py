"""The faults of the design's fault table, each with the signs that were measured when it was injected."""

from dataclasses import replace

import pytest

from kun_nat64.model.foreign_objects import Surroundings
from kun_nat64.model.health import Symptom
from kun_nat64.model.spec import TargetKind
from kun_nat64.model.standing import Reason
from kun_nat64.policy.diagnosis import TABLE, Cause, diagnose
from kun_nat64.policy.diagnosis_input import DiagnosisInput


def probes(tcp: Symptom, icmp: Symptom) -> dict[TargetKind, frozenset[Symptom]]:
    return {TargetKind.TCP: frozenset({tcp}), TargetKind.ICMP: frozenset({icmp})}


OK, LOST, HERE, BEYOND = Symptom.ANSWERED, Symptom.TIMEOUT, Symptom.NO_ROUTE_HERE, Symptom.NO_ROUTE_BEYOND
FLOWING = {"RECEIVED6": 10, "RECEIVED4": 20, "SUCCESS": 20, "UNKNOWN_L4_PROTO": 10}
ONE_WAY = {"RECEIVED6": 10, "RECEIVED4": 10, "SUCCESS": 10, "UNKNOWN_L4_PROTO": 10}
NO_ROUTE = {"RECEIVED6": 10, "RECEIVED4": 10, "FAILED_ROUTES": 10, "UNKNOWN_L4_PROTO": 10}
NOTHING_IN = {"RECEIVED4": 10, "UNKNOWN_L4_PROTO": 10}
# IPv6 packets for no pool6: those of the ring, of the host.
HOSTS_OWN = {"RECEIVED6": 10, "POOL6_MISMATCH": 10}
ALL = frozenset({"tcp", "udp", "icmp"})
WELL = DiagnosisInput(probes(OK, OK), counters=FLOWING, tunnel_rx=10, pool4=ALL, pool_use=0.1)
SILENT = replace(WELL, symptoms=probes(LOST, LOST), counters={}, tunnel_rx=0)
REFUSED = replace(WELL, symptoms=probes(HERE, HERE), counters=NOTHING_IN)


@pytest.mark.parametrize(
    ("signs", "cause"),
    [
        pytest.param(WELL, Cause.NONE, id="nothing is wrong"),
        pytest.param(
            replace(SILENT, hard=frozenset({Reason.VIP_MISSING})), Cause.VIP_MISSING, id="VIP removed from lo"
        ),
        pytest.param(
            replace(WELL, symptoms=probes(LOST, LOST), counters=ONE_WAY), Cause.REPLIES_MISSING, id="pool4 not ARPable"
        ),
        pytest.param(
            replace(WELL, symptoms=probes(HERE, HERE), counters=NO_ROUTE), Cause.NO_DEFAULT_ROUTE, id="no default route"
        ),
        pytest.param(
            replace(WELL, symptoms=probes(HERE, HERE), around=Surroundings(default_route=False)),
            Cause.NO_DEFAULT_ROUTE,
            id="no default route, seen as a fact",
        ),
        pytest.param(
            replace(WELL, symptoms=probes(HERE, HERE), counters=NO_ROUTE, hard=frozenset({Reason.CARRIER_DOWN})),
            Cause.OUTSIDE_LINK_DOWN,
            id="external link down",
        ),
        pytest.param(
            replace(WELL, symptoms=probes(LOST, BEYOND), counters=FLOWING), Cause.UPSTREAM_DEAD, id="upstream dead"
        ),
        pytest.param(
            replace(WELL, symptoms=probes(LOST, LOST), counters={**NO_ROUTE, "RECEIVED4": 20}),
            Cause.RETURN_ROUTE_MISSING,
            id="return route missing",
        ),
        pytest.param(
            replace(SILENT, hard=frozenset({Reason.TUNNEL_MISSING})), Cause.TUNNEL_MISSING, id="tunnel gone, sit0 down"
        ),
        pytest.param(
            replace(WELL, hard=frozenset({Reason.TUNNEL_MISSING}), fallback_up=True),
            Cause.FALLBACK_TUNNEL_MASKS,
            id="tunnel gone, sit0 up",
        ),
        pytest.param(
            replace(SILENT, counters=NOTHING_IN, around=Surroundings(input_drops=("-A INPUT -p 41 -j DROP",))),
            Cause.PROTOCOL_41_DROPPED,
            id="INPUT drops protocol 41, the rule is seen",
        ),
        pytest.param(
            replace(SILENT, counters=NOTHING_IN),
            Cause.PACKETS_DO_NOT_ARRIVE,
            id="INPUT drops protocol 41, no rule seen",
        ),
        pytest.param(replace(SILENT, counters=NOTHING_IN), Cause.PACKETS_DO_NOT_ARRIVE, id="rp_filter"),
        pytest.param(
            replace(WELL, symptoms=probes(LOST, LOST), counters=ONE_WAY),
            Cause.REPLIES_MISSING,
            id="ctstate INVALID dropped in PREROUTING",
        ),
        pytest.param(
            replace(REFUSED, counters=NO_ROUTE | HOSTS_OWN, around=Surroundings(default_route=False)),
            Cause.NO_DEFAULT_ROUTE,
            id="no default route, beside the host's own IPv6 packets",
        ),
        pytest.param(
            replace(SILENT, counters=NOTHING_IN | HOSTS_OWN, tunnel_rx=10),
            Cause.DROPPED_BEFORE_TRANSLATOR,
            id="a rule of PREROUTING drops, beside the host's own IPv6 packets",
        ),
        pytest.param(replace(REFUSED, pool6_differs=True), Cause.POOL6_WRONG, id="pool6 wrong, seen as a fact"),
        pytest.param(
            replace(WELL, symptoms=probes(LOST, OK), counters={**FLOWING, "MASK_DOMAIN_NOT_FOUND": 5}),
            Cause.POOL4_LACKS_PROTOCOL,
            id="pool4 lacks TCP",
        ),
        pytest.param(
            replace(WELL, symptoms=probes(LOST, OK), pool4=frozenset({"udp", "icmp"})),
            Cause.POOL4_LACKS_PROTOCOL,
            id="pool4 lacks TCP, seen as a fact",
        ),
        pytest.param(
            replace(WELL, pool4=frozenset({"udp", "icmp"}), pool4_wanted=ALL),
            Cause.POOL4_LACKS_PROTOCOL,
            id="pool4 lacks TCP, before a probe fails",
        ),
        pytest.param(
            replace(
                WELL, symptoms=probes(HERE, HERE), counters=NO_ROUTE, around=Surroundings(True, silent=("192.0.2.1",))
            ),
            Cause.UPSTREAM_DEAD,
            id="the next router does not answer ARP",
        ),
        pytest.param(
            replace(
                WELL, symptoms=probes(LOST, LOST), counters={**ONE_WAY, "FAILED_ROUTES": 2}, around=Surroundings(True)
            ),
            Cause.REPLIES_MISSING,
            id="a route that is back is not named",
        ),
        pytest.param(replace(WELL, pods_route=False), Cause.RETURN_ROUTE_MISSING, id="return route missing, as a fact"),
        pytest.param(
            replace(WELL, symptoms=probes(LOST, LOST), counters=ONE_WAY, around=Surroundings(absent=("192.0.2.11",))),
            Cause.POOL4_ELSEWHERE,
            id="pool4 not ARPable, its address is not here",
        ),
        pytest.param(
            replace(WELL, symptoms=probes(LOST, LOST), counters=ONE_WAY, around=Surroundings(answer_drops=("rule",))),
            Cause.CONNTRACK_DROPS,
            id="ctstate INVALID dropped, the rule is seen",
        ),
        pytest.param(
            replace(WELL, symptoms=probes(LOST, LOST), counters=NOTHING_IN, tunnel_rx=10),
            Cause.DROPPED_BEFORE_TRANSLATOR,
            id="dropped between tunnel and Jool",
        ),
        pytest.param(
            replace(
                WELL,
                symptoms=probes(LOST, LOST),
                counters=NOTHING_IN,
                tunnel_rx=10,
                around=Surroundings(tracked=(262100, 262144)),
            ),
            Cause.CONNTRACK_FULL,
            id="conntrack is full",
        ),
        pytest.param(
            replace(WELL, around=Surroundings(tracked=(1, 1))), Cause.NONE, id="conntrack is full, and nothing fails"
        ),
        pytest.param(replace(WELL, speaker_error="refused"), Cause.SPEAKER_SILENT, id="gobgpd is dead"),
        pytest.param(replace(WELL, sessions_down=("10.2.1.1",)), Cause.SESSION_DOWN, id="a BGP session is down"),
        pytest.param(replace(WELL, path_refused=True), Cause.PATH_REFUSED, id="an import policy refuses the path"),
        pytest.param(replace(WELL, path_unsent=("10.2.1.1",)), Cause.PATH_NOT_SENT, id="a router is not sent the path"),
        pytest.param(
            replace(SILENT, hard=frozenset({Reason.VIP_MISSING}), speaker_error="refused"),
            Cause.VIP_MISSING,
            id="the data plane comes before the speaker",
        ),
        pytest.param(replace(WELL, pool4=frozenset()), Cause.POOL4_EMPTY, id="pool4 empty"),
        pytest.param(replace(WELL, pool_use=0.97), Cause.POOL4_EXHAUSTED, id="pool4 used up"),
        pytest.param(
            replace(WELL, pool_use=0.6, pool_limit=0.5), Cause.POOL4_EXHAUSTED, id="pool4 used up, as configured"
        ),
        pytest.param(replace(REFUSED, hard=frozenset({Reason.INSTANCE_PAUSED})), Cause.PAUSED, id="paused"),
        pytest.param(
            replace(REFUSED, counters={**NOTHING_IN, "XLATOR_DISABLED": 5}), Cause.PAUSED, id="paused, by counter"
        ),
        pytest.param(
            replace(REFUSED, hard=frozenset({Reason.MODULE_MISSING, Reason.INSTANCE_MISSING}), pool4=None),
            Cause.MODULE_MISSING,
            id="module removed",
        ),
        pytest.param(
            replace(REFUSED, hard=frozenset({Reason.INSTANCE_MISSING}), pool4=None),
            Cause.INSTANCE_MISSING,
            id="instance removed",
        ),
        pytest.param(
            replace(WELL, symptoms=probes(OK, LOST), qdisc="fq", jool_version=(4, 1, 9)), Cause.FQ_DROPS, id="fq, 4.1.9"
        ),
        pytest.param(
            replace(WELL, symptoms=probes(OK, LOST), qdisc="fq", jool_version=(4, 1, 13)),
            Cause.TARGET_DEAD,
            id="fq is harmless from 4.1.10 on",
        ),
        pytest.param(replace(WELL, symptoms=probes(OK, LOST)), Cause.TARGET_DEAD, id="one target is down"),
        pytest.param(
            replace(WELL, symptoms=probes(Symptom.NOT_SENT, Symptom.NOT_SENT)), Cause.NO_PROBES, id="no probes"
        ),
        pytest.param(replace(SILENT, tunnel_rx=None), Cause.UNKNOWN, id="nobody knows"),
    ],
)
def test_each_fault_has_its_diagnosis(signs: DiagnosisInput, cause: Cause) -> None:
    assert diagnose(signs).cause is cause


@pytest.mark.parametrize("harmless", ["forwarding off", "FORWARD drops", "OUTPUT drops"])
def test_what_does_not_touch_translation_is_no_fault(harmless: str) -> None:
    """Measured: none of these changes a probe or a counter."""
    assert diagnose(WELL).cause is Cause.NONE, harmless


def test_every_diagnosis_has_words_and_a_remedy() -> None:
    for _, diagnosis in TABLE:
        assert diagnosis.words
        assert diagnosis.remedy
