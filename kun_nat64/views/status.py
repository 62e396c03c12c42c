"""The agent's state as plain data: /status, the status page, `kun-nat64 status` and the other gateways read this."""

from typing import Any

from kun_base.version import build, version
from kun_nat64.model.area import Area
from kun_nat64.model.drain import Phase
from kun_nat64.model.errors import FailureKind
from kun_nat64.model.foreign_objects import Surroundings
from kun_nat64.model.standing import WORDS, Reason
from kun_nat64.model.warnings import WarningName
from kun_nat64.policy.fleet_view import public_networks
from kun_nat64.policy.health import TargetHealth, TargetState, outcomes
from kun_nat64.state.agent_state import State
from kun_nat64.state.diagnosis import diagnosis
from kun_nat64.views.ring import ring_of
from kun_nat64.views.tenants import tenants_data
from kun_nat64.views.traffic import carried_data, drops_data

JSON = dict[str, Any]


def snapshot(state: State, *, now: float, wall: float) -> JSON:
    """Ages are seconds before `now`; times are wall-clock seconds."""
    spec = state.spec
    return {
        "name": spec.gateway.name,
        "id": state.identity,
        "version": version(),
        "commit": build().commit,
        "build": build().kind,
        "time": round(wall, 3),
        "up_s": round(now - state.started_at, 3),
        "vip": str(spec.gateway.vip or ""),
        "prefix": str(spec.gateway.pool6),
        "inside": spec.gateway.inside,
        "router_id": str(spec.bgp.router_id),
        "pool4": [str(network) for network in public_networks(spec)],
        "config": spec.source,
        "announcement": _announcement(state, now),
        "health": _health(state, now),
        "diagnosis": _diagnosis(state),
        "machine": _machine(state, now),
        "path": _path(state, now),
        "bgp": _bgp(state, now),
        "fleet": _fleet(state, now),
        "ring": ring_of(state),
        "drain": _drain(state, now),
        "traffic": _traffic(state, now),
        "tenants": tenants_data(state),
        "follow": state.table_status(),
        "session_log": _session_log(state, wall),
        "warnings": _warnings(state),
        "history": [
            {"at": turn.at, "standing": turn.standing, "reason": turn.reason} for turn in state.standing.changes
        ],
    }


def brief(state: State, *, now: float) -> JSON:
    """What another gateway reads of it (formats/memberstatus.py), once a second, however large pool4 is."""
    spec, flow = state.spec, state.flow
    return {
        "name": spec.gateway.name,
        "id": state.identity,
        "vip": str(spec.gateway.vip or ""),
        "prefix": str(spec.gateway.pool6),
        "router_id": str(spec.bgp.router_id),
        "pool4": [str(network) for network in public_networks(spec)],
        "announcement": _announcement(state, now),
        "health": _health(state, now),
        "traffic": {"tcp_sessions": flow.tcp if flow.counted_at is not None else None},
        "ring": ring_of(state),
    }


def announced(state: State) -> bool:
    """True while BGP has our path and a router to send it to, whatever was decided since."""
    last = state.speaker.announced
    return last is not None and last.wanted and not why_unheard(state)


def withdrawn(state: State) -> bool:
    """True when BGP has taken the withdrawal, or had no path to begin with."""
    last = state.speaker.announced
    return last is not None and not last.wanted


def why_unheard(state: State) -> str:
    """Why no router has our path; "" where one has, or where that is unknown. A slow speaker keeps its sessions."""
    seen = state.machine.seen
    if seen is None:
        return ""
    error = seen.failures.get(Area.BGP)
    if error is not None:
        dead = error.kind is FailureKind.UNREACHABLE and not seen.bgp_connections
        return "the BGP speaker does not run" if dead else ""
    up = [one.address for one in seen.neighbours if one.established]
    if seen.neighbours and not up:
        return "no BGP session is up"
    made = state.machine.read_back
    if made.refused:
        return "the BGP speaker's own configuration refuses the path"
    return "the BGP speaker sends the path to no peer" if up and set(up) <= set(made.unsent) else ""


def _announcement(state: State, now: float) -> JSON:
    decision = state.standing.decision
    return {
        "standing": decision.standing,
        "reason": decision.reason,
        "words": WORDS[decision.reason],
        "since_s": round(now - decision.since, 3),
        "med": state.announcement.med if state.announcement.wanted else None,
        "announced": announced(state),
        "withdrawn": withdrawn(state),
        "wants_back": decision.reason is Reason.WAITING_TURN,  # healthy, and waits for its turn to come back
        "file_change": state.reload.phase,  # where a reload is that takes its turn in the fleet
        "drain_asked": state.drain_turn.asked,  # a drain is being decided at this moment
        "back_in_s": None if decision.back_at is None else round(max(0.0, decision.back_at - now), 3),
        "falls": decision.falls.count,  # falls that the hold-down remembers
        "falls_total": state.standing.falls_total,  # falls since the agent started
    }


def _health(state: State, now: float) -> JSON:
    found = outcomes(state.probes.health)
    return {
        "verdict": state.standing.verdict,
        "quorum": state.spec.health.quorum,  # targets that must be up
        "up": sum(one.state is TargetState.UP for one in state.probes.health.targets),
        "targets": [_target(one, found[str(one.target)], now) for one in state.probes.health.targets],
    }


def _diagnosis(state: State) -> JSON:
    found = diagnosis(state)
    return {
        "cause": found.cause,
        "words": found.words,
        "remedy": found.remedy,
        "evidence": [*_evidence(state.evidence.around), *state.node_ways.cut_off],
        "recent": [
            {"cause": one.cause, "words": one.words, "at": one.at, "until": one.until} for one in state.past_diagnoses
        ],
    }


def _evidence(around: Surroundings) -> list[str]:
    return [*around.input_drops, *around.answer_drops, *around.absent, *around.silent, *around.back.evidence]


def _target(one: TargetHealth, outcome: str, now: float) -> JSON:
    last = one.last
    return {
        "target": str(one.target),
        "state": one.state,
        "outcome": outcome,
        "symptom": last.symptom if last else None,
        "detail": last.detail if last else "",
        "error_from": str(last.error_from) if last and last.error_from else None,
        "latency_ms": round(last.latency_s * 1000, 3) if last and last.latency_s is not None else None,
        "proven_s_ago": round(now - one.proven_at, 3) if one.proven_at is not None else None,
        "sent": one.sent,
        "lost": one.lost,
    }


def _machine(state: State, now: float) -> JSON:
    machine = state.machine
    seen = machine.seen
    return {
        "looked_s_ago": round(now - machine.seen_at, 3) if seen else None,  # since the machine was observed
        "turn_s": round(machine.took_s, 4),  # duration of the last cycle
        "turns": machine.turns,  # cycles since the agent started
        "drift": [str(change) for change in machine.plan.changes],  # what differs from the desired state
        "cuts": [cut.reason for cut in machine.plan.cuts],  # flows that the plan would end
        "refused": [str(refusal) for refusal in machine.refusals],  # what the guard refuses
        "failed": str(machine.failed) if machine.failed else None,
        "hard": list(machine.hard),  # hard failures
        "mended": dict(machine.mended),  # repairs since the agent started, by kind of object
        "foreign": [{"what": each.what, "remedy": each.remedy} for each in seen.foreign] if seen else [],
        "unknown": {area: str(error) for area, error in seen.failures.items()} if seen else {},
        "links": [
            {"name": one.name, "up": one.up, "carrier": one.carrier, "mtu": one.mtu, "qdisc": one.qdisc}
            for one in (seen.links if seen else ())
        ],
    }


def _path(state: State, now: float) -> JSON | None:
    """None until the path has been measured: that needs an icmp:// target, and health."""
    swept = state.path.swept
    if swept is None:
        return None
    return {
        "target": swept.target,
        "largest": swept.largest,
        "needed": swept.needed,
        "mss_fits": swept.mss_fits,
        "safe_mss": swept.safe_mss,
        "words": swept.words,
        "measured_s_ago": round(now - state.path.swept_at, 3),
    }


def _bgp(state: State, now: float) -> JSON:
    seen = state.machine.seen
    failed = state.speaker.failed
    return {
        "speaker": state.spec.bgp.speaker,
        "told_s_ago": round(now - state.speaker.announced_at, 3) if state.speaker.announced else None,
        "failed": str(failed) if failed else None,
        "neighbours": [
            {
                "address": peer.address,
                "as": peer.asn,
                "state": peer.state,
                "established": peer.established,
                "hold_s": peer.hold_s,
                "bfd": peer.bfd or None,
                "advertised": None if peer.advertised is None else list(peer.advertised),
            }
            for peer in (seen.neighbours if seen else ())
        ],
    }


def _fleet(state: State, now: float) -> JSON:
    return {
        "configured": state.fleet.configured,
        "members": [
            {
                "url": member.url,
                "name": member.name,
                "standing": member.standing,
                "verdict": member.verdict,
                "seen_s_ago": round(now - member.seen_at, 3),
                "sessions": member.sessions,
            }
            for member in state.fleet.members
        ],
        "silent": dict(state.fleet.silent),  # members that do not answer, and why
        "ca_file": state.spec.fleet.ca_file,
        "token_file": state.spec.admin.access.token_file,
    }


def _drain(state: State, now: float) -> JSON:
    drain = state.drain
    return {
        "phase": drain.phase,
        "why": drain.why,
        "since": None if drain.phase is Phase.SERVING else drain.since,
        "for_s": None if drain.phase is Phase.SERVING else round(now - drain.begun, 3),
        "grace_s": state.spec.drain.grace_s,
        "left": drain.left,  # live TCP sessions
        "borrowed": state.ring.borrowed if drain.phase is Phase.DRAINING else None,
        "oldest_s": drain.oldest_s,
        "ended": drain.ended,  # why the drain is over
        "by_table": drain.by_table,  # ordered by the controller's table
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def _session_log(state: State, wall: float) -> JSON:
    audit, spec = state.audit, state.spec.audit
    return {
        "log": spec.log,
        "database": spec.database if spec.log else "",
        "looked_s_ago": None if audit.looked_at is None else round(wall - audit.looked_at, 3),
        "living": audit.living,  # live sessions known to the log
        "looks_skipped": audit.skipped,
        "failed": audit.problem or None,
        "set_aside": list(audit.set_aside),  # damaged parts of the database
        "sinks": {
            name: {
                "records": sink.records,
                "dropped": sink.dropped,
                "waiting": sink.waiting,
                "octets": sink.size_bytes,
                "failed": sink.failed or None,
            }
            for name, sink in audit.sinks.items()
        },
    }


def _warnings(state: State) -> dict[str, str]:
    """What is written by parts, and what the session log says of itself."""
    problem = state.audit.problem
    damaged = "; ".join(state.audit.set_aside)
    return {
        **{str(name): words for name, words in state.warnings.items()},
        **({WarningName.SESSION_LOG: f"sessions are not logged as they should be: {problem}"} if problem else {}),
        **({WarningName.CLOCK: state.audit.jump} if state.audit.jump else {}),
        **({WarningName.SESSION_DATABASE: f"damaged parts were set aside: {damaged}"} if damaged else {}),
    }


def _traffic(state: State, now: float) -> JSON:
    flow = state.flow
    return {
        "counted_s_ago": round(now - flow.counted_at, 3) if flow.counted_at is not None else None,
        "look_s": _rounded(flow.look_s),  # how long reading the sessions takes
        "pause_s": _rounded(flow.pause_s),  # until the next read
        "tcp_sessions": flow.tcp if flow.counted_at is not None else None,
        "sessions": flow.sessions,
        "bindings": flow.bindings,
        "oldest_tcp_s": flow.oldest_tcp_s,
        "limited": {str(client): count for client, count in flow.limited.items()},
        "ports": [
            {
                "address": address,
                "protocol": protocol,
                "used": used,
                "total": total,
                "exhausted_in_s": _rounded(flow.exhausted_in_s.get((address, protocol))),
            }
            for (address, protocol), (used, total) in sorted(flow.ports.items())
        ],
        "failed": str(flow.failed) if flow.failed else None,
        "links": {
            name: {
                "bytes_in": one.received_bytes,
                "bytes_out": one.sent_bytes,
                "packets_in": one.received,
                "packets_out": one.sent,
            }
            for name, one in state.evidence.links.items()
        },
        "carried": carried_data(state, now=now),
        "drops": drops_data(state),
        "rising": {name: count for name, count in sorted(state.evidence.risen.items()) if count},
    }
