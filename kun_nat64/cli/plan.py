"""The `plan` command, and the plan that `apply` makes."""

import asyncio
import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from kun_nat64.cli.errors import complain
from kun_nat64.cli.exit_codes import CHANGES, DONE, FAILED, REFUSED
from kun_nat64.cli.followed import load_followed
from kun_nat64.cli.machine import print_unknown, with_machine
from kun_nat64.drivers.preflight import missing_for_changes
from kun_nat64.model.announcement import WITHDRAWN
from kun_nat64.model.errors import DriverError
from kun_nat64.model.facts import BgpPath, Facts
from kun_nat64.model.host import Host
from kun_nat64.model.inspection import Finding, Level
from kun_nat64.model.observation import Observation
from kun_nat64.model.plan import Plan, Refusal
from kun_nat64.model.spec import AgentSpec
from kun_nat64.policy.desired import desired, scope
from kun_nat64.policy.diff import plan
from kun_nat64.policy.doctor_checks import mss
from kun_nat64.policy.exhaustion import refusals
from kun_nat64.policy.flow_loss import may_cut, without_probes
from kun_nat64.policy.guard import Circumstances, guard
from kun_nat64.policy.limits import in_force
from kun_nat64.policy.probepath import probe_address
from kun_nat64.policy.ring import in_force as ring_in_force
from kun_nat64.policy.ruleset import mss_in_force
from kun_nat64.policy.tenants import limits_in_force


def show_plan(config: Path, run_dir: Path, *, as_json: bool) -> int:
    spec = load_followed(config, run_dir)
    if missing := missing_for_changes(spec):
        return complain("\n".join(map(str, missing)), as_json=as_json)
    return asyncio.run(with_machine(spec, lambda host: _show(spec, host, as_json=as_json)))


async def _show(spec: AgentSpec, host: Host, *, as_json: bool) -> int:
    todo, refusals, seen = await planned(spec, host)
    if as_json:
        print(json.dumps(_as_data(todo, refusals), indent=1))
    else:
        print_plan(todo, refusals)
    _warn(mss(seen.links, spec))
    print_unknown(seen)
    if refusals:
        return REFUSED
    return CHANGES if todo else FAILED if seen.failures else DONE


async def planned(spec: AgentSpec, host: Host) -> tuple[Plan, tuple[Refusal, ...], Observation]:
    """The plan to the desired state. Paths in BGP stay as they are: only the agent has the proof to announce."""
    seen = await host.observe(scope(spec))
    limited, mss = in_force(seen.facts, spec.nat64.limit), mss_in_force(seen.facts, spec.gateway)
    full, ring = refusals(spec) in seen.facts, ring_in_force(seen.facts, spec.fleet.ring)
    held = limits_in_force(seen.facts, spec)
    wanted = desired(spec, WITHDRAWN, limited, seen.own, seen.near, mss, full, held, ring)
    wanted |= _own_paths(seen.facts, spec)
    todo = plan(wanted, seen)
    if may_cut(todo.changes):
        # Where they cannot be counted, the plan says that their number is not known.
        with contextlib.suppress(DriverError):
            todo = plan(wanted, seen, without_probes(await host.traffic(spec.nat64.instance), probe_address(spec)))
    return todo, guard(todo, spec.guard, Circumstances(other_exit=False, foreign=seen.foreign)), seen


def _own_paths(facts: Facts, spec: AgentSpec) -> Facts:
    return frozenset(fact for fact in facts if isinstance(fact, BgpPath) and fact.prefix in spec.bgp.prefixes)


def _warn(finding: Finding) -> None:
    if finding.level is not Level.GOOD:
        print(f"{finding.check}: {finding.words} -> {finding.remedy}", file=sys.stderr)


def _as_data(todo: Plan, refusals: Sequence[Refusal]) -> dict[str, object]:
    return {
        "checksum": todo.checksum,
        "changes": [
            {"action": change.action, "object": "/".join(change.fact.key), "fact": str(change.fact),
             "before": None if change.before is None else str(change.before)}
            for change in todo.changes
        ],
        "cuts": [{"flows": cut.flows, "reason": cut.reason} for cut in todo.cuts],
        "refused": [{"kind": each.kind, "reason": each.reason, "forcible": each.forcible} for each in refusals],
        "unknown": list(todo.unknown),
    }  # fmt: skip


def print_plan(todo: Plan, refusals: Sequence[Refusal]) -> None:
    if not todo:
        print("nothing to change")
        return
    print(todo)
    print(f"{len(todo.changes)} changes, checksum {todo.checksum}")
    for refusal in refusals:
        hint = "" if not refusal.forcible else " (`apply --force` overrides it)"
        print(f"refused: {refusal}{hint}", file=sys.stderr)
