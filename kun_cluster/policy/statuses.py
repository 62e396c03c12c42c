"""Statuses of our objects: what is so, not what was wished. Pure; what has not changed keeps its time."""

from collections.abc import Iterable, Mapping
from typing import Any

from kun_cluster.formats.gateway_report import GatewayReport
from kun_cluster.formats.pool_orders import orders_value
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
from kun_cluster.policy.gateways import ordered, wanted_version
from kun_cluster.policy.holdings import as_share
from kun_cluster.policy.rollout import Outlook
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
    outlook: Outlook | None = None,
) -> Status:
    """Status of a pool. `outlook`: of its rollout, None while nobody has looked; the orders are the pool's own."""
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
        "current": _current(pool, rules, reports),
        **orders_value(pool.orders),
        "conditions": [accepted, ready, exhausted, degraded, _rolled_out(outlook, generation)],
    }


def _current(pool: EgressPool, rules: RuleSet, reports: Mapping[str, GatewayReport | None]) -> str:
    """How many gateways run what they shall, of all."""
    own = [one for one in rules.gateways.values() if one.pool == pool.meta.name]
    count = 0
    for one in own:
        wanted, report = wanted_version(one, pool), reports.get(one.meta.name)
        count += not wanted or (report is not None and report.version == wanted)
    return f"{count}/{len(own)}"


def _rolled_out(outlook: Outlook | None, generation: int) -> Status:
    if outlook is None:
        return condition("RolledOut", UNKNOWN, "NotLookedYet", "the agents have not been asked yet", generation)
    state = TRUE if outlook.reason == "Current" else FALSE
    return condition("RolledOut", state, outlook.reason, outlook.message, generation)


def gateway_status(
    gateway: EgressGateway, pool: EgressPool | None, problems: list[Problem], report: GatewayReport | None, now: float
) -> Status:
    """Status of a gateway: what its agent says, or that it does not answer. `pool`: None while it is not in force."""
    generation = gateway.meta.generation
    wanted = wanted_version(gateway, pool) if pool is not None else gateway.version
    order = ordered(gateway, pool) if pool is not None else gateway.desired
    orders = {"order": str(order), "wantedVersion": wanted, "rollout": _turn(gateway, pool)}
    accepted = _accepted(gateway, gateway.meta, problems)
    if report is None:
        silent = f"the agent at {gateway.admin} does not answer"
        conditions = [
            condition(kind, UNKNOWN, "NoAnswer", silent, generation)
            for kind in ("Announced", "Healthy", "Drained", "Current")
        ]
        return {"observedGeneration": generation, "diagnosis": silent, **orders, "conditions": [accepted, *conditions]}
    age = report.last_packet_s_ago
    packet = "no packet has come back yet" if age is None else f"a packet came back {age:.1f} s ago"
    healthy = "PacketCameBack" if report.healthy else "NoPacket"
    is_current = not wanted or wanted == report.version
    drained = report.withdrawn and order is not Desired.SERVE
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
            f"runs {report.version}, wants {wanted or 'any'}",
            generation,
        ),
    ]
    status = {
        "observedGeneration": generation,
        "version": report.version,
        "diagnosis": report.diagnosis,
        **orders,
        "conditions": [accepted, *conditions],
    }
    if age is not None:
        # Steps of ten seconds: a status that changes each time it is looked at would be written each time.
        status["lastPacketTime"] = rfc3339((now - age) // 10 * 10)
    return status


def _turn(gateway: EgressGateway, pool: EgressPool | None) -> str:
    """Phase of the rollout where it is this gateway's turn; Cordoned; or ""."""
    if pool is None:
        return ""
    rollout, name = pool.orders.rollout, gateway.meta.name
    if rollout is not None and rollout.gateway == name:
        return str(rollout.phase)
    return "Cordoned" if name in pool.orders.cordoned else ""


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
