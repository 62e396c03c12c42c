"""The agent's state in Prometheus' words. Collected when asked for; nothing is counted twice."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from kun_base.version import build, version
from kun_nat64.model.area import Area
from kun_nat64.model.drain import Phase
from kun_nat64.model.health import Verdict
from kun_nat64.model.plan import RefusalKind
from kun_nat64.model.standing import Standing
from kun_nat64.policy.diagnosis import Cause
from kun_nat64.policy.drop_reasons import rule_name
from kun_nat64.policy.forecast import slope
from kun_nat64.policy.health import TargetState
from kun_nat64.state.agent_state import State
from kun_nat64.state.diagnosis import diagnosis
from kun_nat64.state.histogram import Histogram
from kun_nat64.views.ring import ring_size
from kun_nat64.views.status import announced
from kun_nat64.views.tenants import table_metrics, tenant_metrics
from kun_nat64.views.traffic import drops_of


def exposition(state: State, *, certificate_end: float | None = None) -> str:
    """`certificate_end`: expiry of the admin pages' certificate, Unix time; None: they have none."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Agent(state, certificate_end))
    return generate_latest(registry).decode()


class _Agent(Collector):
    def __init__(self, state: State, certificate_end: float | None) -> None:
        self._state, self._certificate_end = state, certificate_end

    def collect(self) -> Iterable[Metric]:
        state = self._state
        yield from _identity(state, self._certificate_end)
        for part in (
            _announcement,
            _health,
            _machine,
            _bgp,
            _packets,
            _fleet,
            _traffic,
            _carried,
            tenant_metrics,
            table_metrics,
            _session_log,
        ):
            yield from part(state)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"kun_nat64_{name}", text, value=value)


def _labelled(name: str, text: str, labels: list[str], rows: Iterable[tuple[list[str], float]]) -> Metric:
    family = GaugeMetricFamily(f"kun_nat64_{name}", text, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family


def _counts(name: str, text: str, labels: list[str], rows: Iterable[tuple[list[str], float]]) -> Metric:
    family = CounterMetricFamily(f"kun_nat64_{name}", text, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family


def _one_of(name: str, text: str, label: str, values: Iterable[str], current: str) -> Metric:
    return _flags(name, text, label, {value: value == current for value in values})


def _flags(name: str, text: str, label: str, flags: Mapping[str, bool]) -> Metric:
    """Every value of the set is there, with 1 or 0: so alerts do not depend on what is missing."""
    return _labelled(name, text, [label], (([value], float(flag)) for value, flag in flags.items()))


def _histogram(name: str, text: str, labels: list[str], rows: Iterable[tuple[list[str], Histogram]]) -> Metric:
    family = HistogramMetricFamily(f"kun_nat64_{name}", text, labels=labels)
    for values, buckets in rows:
        running, cumulative = 0, []
        for bound, count in zip((*map(str, buckets.bounds), "+Inf"), buckets.counts, strict=True):
            running += count
            cumulative.append((bound, running))
        family.add_metric(values, cumulative, buckets.total)
    return family


def _identity(state: State, certificate_end: float | None) -> Iterator[Metric]:
    spec = state.spec.gateway
    labels = {"name": spec.name, "vip": str(spec.vip or ""), "prefix": str(spec.pool6), "version": version()}
    yield InfoMetricFamily("kun_nat64_agent", "Name and addresses of this gateway", value=labels)
    labels = {"version": version(), "commit": build().commit, "kind": build().kind}
    yield InfoMetricFamily("kun_nat64_build", "Always 1; the labels name the running build", value=labels)
    yield _gauge("uptime_seconds", "Seconds since the agent started", state.clock() - state.started_at)
    if certificate_end is not None:
        text = "Expiry of the admin pages' certificate, Unix time"
        yield _gauge("certificate_expiry_timestamp_seconds", text, certificate_end)
    rows = (([what.value], 1.0) for what in state.warnings)
    yield _labelled("warning", "1 for each thing the agent warns about, see /status", ["what"], rows)


def _announcement(state: State) -> Iterator[Metric]:
    decision, now = state.standing.decision, state.clock()
    yield _gauge("announced", "1 while the VIP is announced by this gateway", float(announced(state)))
    yield _one_of("standing", "Standing in BGP: full, soft or out", "standing", Standing, decision.standing)
    yield _labelled("reason", "Reason of the standing", ["reason"], [([decision.reason], 1.0)])
    yield _gauge("standing_age_seconds", "Seconds since the standing changed", now - decision.since)
    med = state.announcement.med if state.announcement.wanted else 0
    yield _gauge("med", "MED of the announced path; 0 without a path", med)
    yield _counts(
        "falls", "Times this gateway left the ECMP set because of a failure", [], [([], state.standing.falls_total)]
    )
    yield _one_of("drain_phase", "Phase of the drain", "phase", Phase, state.drain.phase)


def _health(state: State) -> Iterator[Metric]:
    yield _one_of("health", "Verdict of the probes", "verdict", Verdict, state.standing.verdict)
    cause = diagnosis(state).cause
    yield _one_of("diagnosis", "Diagnosed cause of a failure", "cause", Cause, cause)
    rows = (([str(one.target)], float(one.state is TargetState.UP)) for one in state.probes.health.targets)
    yield _labelled("target_up", "1 while probes to the target come back", ["target"], rows)
    probes = (([target, symptom], count) for (target, symptom), count in state.probes.counts.items())
    yield _counts("probes", "Probes, by result", ["target", "symptom"], probes)
    latencies = (([target], buckets) for target, buckets in state.probes.latencies.items())
    yield _histogram("probe_latency_seconds", "Time from probe to answer", ["target"], latencies)


def _machine(state: State) -> Iterator[Metric]:
    machine, now = state.machine, state.clock()
    yield _gauge("plan_changes", "Changes in the current plan", len(machine.plan.changes))
    drift: dict[str, int] = {}
    for change in machine.plan.changes:
        kind = type(change.fact).__name__.lower()
        drift[kind] = drift.get(kind, 0) + 1
    rows = (([kind], float(count)) for kind, count in drift.items())
    yield _labelled("drift", "Objects that differ from the desired state", ["object"], rows)
    mended = (([kind], count) for kind, count in machine.mended.items())
    yield _counts("mended", "Objects restored to the desired state", ["object"], mended)
    refused = [refusal.kind for refusal in machine.refusals]
    text = "1 while the guard refuses the plan for this reason"
    yield _flags("plan_refused", text, "kind", {kind: kind in refused for kind in RefusalKind})
    failures = machine.seen.failures if machine.seen else {}
    text = "1 while a part of the machine does not answer"
    yield _flags("area_unknown", text, "area", {area: area in failures for area in Area})
    parts = {"machine": machine.failed, "bgp": state.speaker.failed, "traffic": state.flow.failed}
    failed = {part: error is not None for part, error in parts.items()}
    yield _flags("part_failed", "1 while the last attempt at this part failed", "part", failed)
    yield _histogram("turn_duration_seconds", "Duration of one cycle", [], [([], machine.durations)])
    if machine.seen is not None:
        yield _gauge("look_age_seconds", "Seconds since the machine was observed", now - machine.seen_at)


def _bgp(state: State) -> Iterator[Metric]:
    seen = state.machine.seen
    rows = (([peer.address], float(peer.established)) for peer in (seen.neighbours if seen else ()))
    yield _labelled("bgp_neighbour_established", "1 while the BGP session is up", ["peer"], rows)


def _packets(state: State) -> Iterator[Metric]:
    """Of rules and links: since they were made, so that a new rule begins at 0."""
    trouble = (
        ([link, direction, kind], float(count))
        for link, counts in state.evidence.links.items()
        for direction, kind, count in counts.trouble()
    )
    text = "Packets that the tunnel or the outside interface dropped"
    yield _counts("link_trouble_packets", text, ["link", "direction", "kind"], trouble)
    links = state.evidence.links.items()
    rows = [([link, way], count) for link, one in links for way, count in (("in", one.received), ("out", one.sent))]
    yield _counts("link_packets", "Packets of the inside and the outside link", ["link", "direction"], rows)
    rows = [
        ([link, way], count)
        for link, one in links
        for way, count in (("in", one.received_bytes), ("out", one.sent_bytes))
    ]
    yield _counts("link_bytes", "Bytes of the inside and the outside link", ["link", "direction"], rows)
    if (swept := state.path.swept) is not None:
        text = "Largest IPv6 packet that passed unfragmented; 0: none"
        yield _gauge("path_mtu_bytes", text, swept.largest or 0)
        text = "1 while full TCP segments of the configured MSS make the whole trip"
        yield _gauge("mss_fits", text, float(swept.mss_fits))
    if (seen := state.machine.seen) is None:
        return
    met = [([one.table, one.chain, rule_name(one.spec)], float(one.packets)) for one in seen.counters]
    met += [([table, chain, "counter"], float(packets)) for table, chain, packets in seen.counted]
    yield _counts("rule_packets", "Packets that matched a rule of the agent", ["table", "chain", "rule"], met)
    mss = (([one.chain.lower()], float(one.packets)) for one in seen.counters if "TCPMSS" in one.spec)
    yield _counts("mss_packets", "SYN packets seen by the MSS rules, before and after Jool", ["chain"], mss)
    if seen.resets is not None:
        text = "TCP packets of unknown flows, answered with RST"
        yield _counts("orphan_resets", text, [], [([], seen.resets)])
    if seen.ring is not None:
        text = "Packets of flows that moved here: handed on, received from the previous gateway, or of no gateway"
        packets = (([name], float(count)) for name, count in asdict(seen.ring).items())
        yield _counts("ring_packets", text, ["what"], packets)
        yield _gauge("ring_members_configured", "Gateways of the ring, without this one", ring_size(state))
        yield _gauge("ring_members_answering", "Gateways of the ring that answer", len(state.ring.answering or ()))


def _fleet(state: State) -> Iterator[Metric]:
    fleet = state.fleet
    yield _gauge("fleet_members_configured", "Other gateways named in the configuration", fleet.configured)
    yield _gauge("fleet_members_reachable", "Other gateways that answer", len(fleet.members))
    healthy = sum(member.verdict is Verdict.HEALTHY for member in fleet.members)
    yield _gauge("fleet_members_healthy", "Other gateways that answer and are healthy", healthy)


def _traffic(state: State) -> Iterator[Metric]:
    flow = state.flow
    reasons = (([name.removeprefix("JSTAT_").lower()], float(n)) for name, n in state.evidence.counters.items())
    yield _counts("jool_packets", "Packets by Jool's counters (JSTAT)", ["reason"], reasons)
    if flow.counted_at is None:
        return
    yield _gauge("sessions", "Sessions in the translator", flow.sessions)
    yield _gauge("tcp_sessions_live", "TCP sessions that neither end has closed", flow.tcp)
    yield _gauge("bindings", "BIB entries (RFC 6146)", flow.bindings)
    rows = [
        ([address, protocol, name], float(count))
        for (address, protocol), (used, total) in flow.ports.items()
        for name, count in (("used", used), ("total", total))
    ]
    yield _labelled("pool4_ports", "Public ports by use", ["address", "protocol", "state"], rows)
    yield _gauge("clients_limited", "Clients that reached sessions_per_client and get no new ports", len(flow.limited))
    yield _counts(
        "clients_limited_events", "Times a client reached sessions_per_client", [], [([], flow.limited_total)]
    )
    slopes = (([address, protocol], slope(course)) for (address, protocol), course in flow.courses.items())
    text = "Net growth of used public ports per second, over 15 minutes"
    yield _labelled("pool4_ports_growth", text, ["address", "protocol"], slopes)
    left = (([address, protocol], seconds) for (address, protocol), seconds in flow.exhausted_in_s.items())
    text = "Forecast seconds until all ports are in use; absent while usage does not grow"
    yield _labelled("pool4_exhaustion_seconds", text, ["address", "protocol"], left)


def _carried(state: State) -> Iterator[Metric]:
    """Of the table of counters and of rules: since they were made."""
    counted = state.carried.by_address.items()
    labels = ["address", "protocol", "direction"]
    size = [([*place, way], n) for place, one in counted for way, n in (("in", one.bytes_in), ("out", one.bytes_out))]
    yield _counts("pool4_bytes", "Bytes of IPv4 to (in) and from (out) a public address", labels, size)
    packets = [
        ([*place, way], n) for place, one in counted for way, n in (("in", one.packets_in), ("out", one.packets_out))
    ]
    yield _counts("pool4_packets", "Packets of IPv4 to (in) and from (out) a public address", labels, packets)
    dropped = [([one.reason, one.rule], one.packets) for one in drops_of(state)]
    yield _counts("dropped_packets", "Packets that rules of the agent dropped", ["reason", "rule"], dropped)


def _session_log(state: State) -> Iterator[Metric]:
    audit = state.audit
    if not state.spec.audit.log:
        return
    now = state.wall()
    lag = now - (audit.looked_at if audit.looked_at is not None else now - (state.clock() - state.started_at))
    yield _gauge("session_log_lag_seconds", "Age in seconds of the newest session data in the log", lag)
    yield _gauge("session_log_living", "Live sessions known to the session log", audit.living)
    yield _counts(
        "session_log_looks_skipped",
        "Session reads skipped because the previous one was still being written",
        [],
        [([], audit.skipped)],
    )
    yield _gauge("session_log_damaged_parts", "Parts of the session database set aside", len(audit.set_aside))
    sinks = audit.sinks.items()
    records = (([name], sink.records) for name, sink in sinks)
    yield _counts("session_log_records", "Session records written", ["sink"], records)
    dropped = (([name], sink.dropped) for name, sink in sinks)
    yield _counts("session_log_dropped", "Session records dropped because the disk is full", ["sink"], dropped)
    waiting = (([name], float(sink.waiting)) for name, sink in sinks)
    yield _labelled("session_log_waiting", "Session records waiting to be written", ["sink"], waiting)
    sizes = (([name], float(sink.size_bytes)) for name, sink in sinks)
    yield _labelled("session_log_bytes", "Bytes on disk", ["sink"], sizes)
    failed = {name: bool(sink.failed or audit.failed) for name, sink in sinks}
    yield _flags("session_log_failed", "1 while the last attempt to write failed", "sink", failed)
