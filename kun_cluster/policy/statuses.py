"""Statuses of our objects: what is so, not what was wished. Pure; what has not changed keeps its time."""

from collections.abc import Iterable, Mapping
from typing import Any

from kun_cluster.formats.gateway_report import GatewayReport
from kun_cluster.formats.times import rfc3339
from kun_cluster.model.egress import (
    AddressKind,
    Desired,
    EgressAllocation,
    EgressGateway,
    EgressPolicy,
    EgressPool,
    Meta,
)
from kun_cluster.model.problem import Problem, Reason
from kun_cluster.policy.capacity import capacity
from kun_cluster.policy.holdings import as_share
from kun_cluster.policy.ruleset import RuleSet

Status = dict[str, Any]
TRUE, FALSE, UNKNOWN = "True", "False", "Unknown"


def condition(kind: str, status: str, reason: str, message: str, generation: int) -> Status:
    """One condition, without its time."""
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message[:1024],
        "observedGeneration": generation,
    }


def timed(wanted: Status, there: Mapping[str, Any], now: float) -> Status:
    """Give each condition its time: that of before, where its status is the same as before."""
    before = {one.get("type"): one for one in there.get("conditions", ())}
    conditions = []
    for one in wanted["conditions"]:
        old = before.get(one["type"], {})
        since = old.get("lastTransitionTime") if old.get("status") == one["status"] else None
        conditions.append({**one, "lastTransitionTime": since or rfc3339(now)})
    return {**wanted, "conditions": conditions}


def problems_of(one: object, problems: Iterable[Problem]) -> list[Problem]:
    """Problems of one object, those that keep all of it out of force first."""
    return sorted(
        (problem for problem in problems if problem.object == str(one)), key=lambda problem: not problem.fatal
    )


def _accepted(one: object, meta: Meta, problems: Iterable[Problem]) -> Status:
    own = [problem for problem in problems_of(one, problems) if problem.reason is not Reason.EXHAUSTED]
    message = "; ".join(problem.message for problem in own)
    fatal = any(problem.fatal for problem in own)
    reason = str(own[0].reason) if own else "Accepted"
    return condition("Accepted", FALSE if fatal else TRUE, reason, message or "in force", meta.generation)


def pool_status(
    pool: EgressPool,
    rules: RuleSet,
    problems: list[Problem],
    allocations: Iterable[EgressAllocation],
    reports: Mapping[str, GatewayReport | None],
) -> Status:
    """Status of a pool."""
    generation = pool.meta.generation
    room = capacity(pool, allocations)
    wanted = [one for one in rules.gateways.values() if one.pool == pool.meta.name and one.desired is Desired.SERVE]
    told = [reports.get(one.meta.name) for one in wanted]
    up = sum(report is not None and report.announced for report in told)
    unknown = sum(report is None for report in told)
    accepted = _accepted(pool, pool.meta, problems)
    if accepted["status"] == FALSE:
        ready = condition("Ready", FALSE, accepted["reason"], accepted["message"], generation)
    elif not wanted:
        ready = condition("Ready", FALSE, "NoGateway", "no EgressGateway that shall serve names this pool", generation)
    elif up:
        ready = condition("Ready", TRUE, "Announced", f"{up} of {len(wanted)} gateways announce {pool.vip}", generation)
    else:
        state = UNKNOWN if unknown else FALSE
        text = f"none of {len(wanted)} gateways announces {pool.vip}; {unknown} do not answer"
        ready = condition("Ready", state, "NotAnnounced", text, generation)
    short = [problem.message for problem in problems_of(pool, problems) if problem.reason is Reason.EXHAUSTED]
    full = room.free == 0 and bool(pool.public_networks)
    text = "; ".join(short) or (f"no share is free, {room.cooling} cool" if full else f"{room.free} shares are free")
    exhausted = condition(
        "Exhausted", TRUE if short or full else FALSE, "Exhausted" if short or full else "Free", text, generation
    )
    degraded = condition(
        "Degraded",
        TRUE if wanted and up < len(wanted) else FALSE,
        "GatewaysMissing" if up < len(wanted) else "AllAnnounced",
        f"{up} of {len(wanted)} gateways announce",
        generation,
    )
    return {
        "observedGeneration": generation,
        "gateways": f"{up}/{len(wanted)}",
        "shares": {"free": room.free, "taken": room.taken, "cooling": room.cooling},
        "conditions": [accepted, ready, exhausted, degraded],
    }


def gateway_status(gateway: EgressGateway, problems: list[Problem], report: GatewayReport | None, now: float) -> Status:
    """Status of a gateway: what its agent says, or that it does not answer."""
    generation = gateway.meta.generation
    accepted = _accepted(gateway, gateway.meta, problems)
    if report is None:
        silent = f"the agent at {gateway.admin} does not answer"
        conditions = [
            condition(kind, UNKNOWN, "NoAnswer", silent, generation)
            for kind in ("Announced", "Healthy", "Drained", "Current")
        ]
        return {"observedGeneration": generation, "diagnosis": silent, "conditions": [accepted, *conditions]}
    age = report.last_packet_s_ago
    packet = "no packet has come back yet" if age is None else f"a packet came back {age:.1f} s ago"
    healthy = "PacketCameBack" if report.healthy else "NoPacket"
    is_current = not gateway.version or gateway.version == report.version
    drained = report.withdrawn and gateway.desired is not Desired.SERVE
    conditions = [
        condition(
            "Announced", _truth(report.announced), report.standing.title() or "Unknown", report.words, generation
        ),
        condition("Healthy", _truth(report.healthy), healthy, packet, generation),
        condition(
            "Drained", _truth(drained), report.drain.title().replace("-", "") or "Serving", report.words, generation
        ),
        condition(
            "Current",
            _truth(is_current),
            "Version",
            f"runs {report.version}, wants {gateway.version or 'any'}",
            generation,
        ),
    ]
    status = {
        "observedGeneration": generation,
        "version": report.version,
        "diagnosis": report.diagnosis,
        "conditions": [accepted, *conditions],
    }
    if age is not None:
        # Steps of ten seconds: a status that changes each time it is looked at would be written each time.
        status["lastPacketTime"] = rfc3339((now - age) // 10 * 10)
    return status


def _truth(value: bool) -> str:
    return TRUE if value else FALSE


def policy_status(
    policy: EgressPolicy,
    rules: RuleSet,
    problems: list[Problem],
    pods: int,
    programmed: Mapping[str, tuple[int, int]],
    version: str,
) -> Status:
    """Status of a policy. `programmed`: by role, how many consumers have a table in force that says the same."""
    generation = policy.meta.generation
    accepted = _accepted(policy, policy.meta, problems)
    shares = [as_share(one) for one in rules.held.of_policy.get((policy.meta.namespace, policy.meta.name), ())]
    addresses = [f"{share.address}:{share.first_port}-{share.last_port}" for share in shares]
    conditions = [accepted]
    if policy.address is AddressKind.DEDICATED:
        unmet = [problem.message for problem in problems_of(policy, problems) if problem.reason is Reason.EXHAUSTED]
        text = "; ".join(unmet) or f"{len(addresses)} shares"
        reason = "Exhausted" if unmet else "Given"
        given = TRUE if addresses and not unmet else FALSE
        conditions.append(condition("AddressesGiven", given, reason, text, generation))
    done = {role: f"{have}/{all_} {role}s" for role, (have, all_) in sorted(programmed.items(), reverse=True)}
    is_done = all(have == all_ for have, all_ in programmed.values()) and any(all_ for _, all_ in programmed.values())
    text = f"{', '.join(done.values())} have version {version} or a later one"
    conditions.append(condition("Programmed", _truth(is_done), "InForce" if is_done else "Waiting", text, generation))
    return {
        "observedGeneration": generation,
        "pods": pods,
        "addresses": addresses[:256],
        "programmed": ", ".join(done.values()),
        "version": version,
        "conditions": conditions,
    }
