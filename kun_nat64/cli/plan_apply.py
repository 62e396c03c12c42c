"""Commands that look or change once: plan, apply, teardown, withdraw."""

import asyncio
import contextlib
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from kun_base.errors import ConfigError
from kun_nat64.agent.announcer import told_to
from kun_nat64.cli.agent_client import NoAgent, ask
from kun_nat64.cli.errors import complain
from kun_nat64.cli.followed import load_followed
from kun_nat64.config.load import load
from kun_nat64.drivers import runfiles
from kun_nat64.drivers.command import ProcessRunner
from kun_nat64.drivers.daemon_configuration import configuration_of
from kun_nat64.drivers.preflight import Missing, missing_for_changes
from kun_nat64.drivers.real_host import RealHost
from kun_nat64.drivers.speaker import take_back
from kun_nat64.model.announcement import WITHDRAWN, Announcement
from kun_nat64.model.errors import DriverError
from kun_nat64.model.facts import BgpPath, Facts, Module
from kun_nat64.model.host import Host
from kun_nat64.model.inspection import Finding, Level
from kun_nat64.model.observation import Observation
from kun_nat64.model.plan import Plan, Refusal
from kun_nat64.model.spec import AgentSpec
from kun_nat64.policy.desired import after_teardown, desired, scope, teardown_scope
from kun_nat64.policy.diff import plan
from kun_nat64.policy.doctor_checks import mss
from kun_nat64.policy.exhaustion import refusals
from kun_nat64.policy.flow_loss import may_cut, without_probes
from kun_nat64.policy.guard import Circumstances, guard
from kun_nat64.policy.limits import in_force
from kun_nat64.policy.order import batches, holds_up_nothing
from kun_nat64.policy.probepath import probe_address
from kun_nat64.policy.ring import in_force as ring_in_force
from kun_nat64.policy.ruleset import mss_in_force
from kun_nat64.policy.tenants import limits_in_force

DONE, FAILED, CHANGES, REFUSED = 0, 1, 10, 11


def show_plan(config: Path, run_dir: Path, *, as_json: bool) -> int:
    spec = load_followed(config, run_dir)
    if missing := missing_for_changes(spec):
        return complain("\n".join(map(str, missing)), as_json=as_json)
    return asyncio.run(_with_machine(spec, lambda host: _show(spec, host, as_json=as_json)))


async def _show(spec: AgentSpec, host: Host, *, as_json: bool) -> int:
    todo, refusals, seen = await planned(spec, host)
    if as_json:
        print(json.dumps(_as_data(todo, refusals), indent=1))
    else:
        _print_plan(todo, refusals)
    _warn(mss(seen.links, spec))
    _print_unknown(seen)
    if refusals:
        return REFUSED
    return CHANGES if todo else FAILED if seen.failures else DONE


def apply_once(config: Path, run_dir: Path, *, force: bool) -> int:
    spec = load_followed(config, run_dir)
    if _lacking(missing_for_changes(spec)):
        return FAILED
    pid = runfiles.running_pid(run_dir)
    if pid is not None:
        return (
            _by_the_agent(config, run_dir)
            if force
            else complain(
                f"the agent (pid {pid}) keeps this gateway as its file says; `kill -HUP {pid}` makes it read the file "
                "again, `apply --force` makes it take what its guard refuses"
            )
        )
    return asyncio.run(_with_machine(spec, lambda host: _apply(spec, host, run_dir, force=force)))


def _by_the_agent(config: Path, run_dir: Path) -> int:
    """The running agent takes its file by force: another hand on the machine would only be undone."""
    try:
        own = Path(ask(run_dir, "/status")["config"])
        if not own.is_file() or not own.samefile(config):
            return complain(f"the agent runs with {own}, not with {config}: change that file, or stop the agent first")
        answer = ask(run_dir, "/reload?force=1", "POST")
        for reason in answer["refused"]:
            print(f"refused: {reason}", file=sys.stderr)
    except NoAgent as error:
        return complain(str(error))
    if not answer["taken"]:
        return REFUSED
    print(f"the agent has taken {config}; `kun-nat64 status` says what comes of it")
    return DONE


def tear_down(config: Path, run_dir: Path) -> int:
    spec = load(config)
    if _lacking(missing_for_changes(spec)):
        return FAILED
    pid = runfiles.running_pid(run_dir)
    if pid is not None:
        print(f"the agent (pid {pid}) would set everything up again: `systemctl stop kun-nat64` first", file=sys.stderr)
        return FAILED
    return asyncio.run(_with_machine(spec, lambda host: _tear_down(spec, host, run_dir)))


def withdraw_now(config: Path, run_dir: Path) -> int:
    """What the file says, and what the agent noted down. Raises ConfigError where there is neither."""
    noted = runfiles.load_told(run_dir)
    try:
        every = {told_to(load(config).bgp, Announcement(True, 0))}
    except ConfigError as error:
        if noted is None:
            raise
        print(f"{error}\nwithdrawing what the agent had announced: {', '.join(noted.prefixes)}", file=sys.stderr)
        every = set()
    code = DONE
    for told in every | ({noted} if noted else set()):
        try:
            take_back(told)
        except DriverError as error:
            print(f"not withdrawn: {error}", file=sys.stderr)
            code = FAILED
        else:
            print(f"withdrawn: this gateway announces {', '.join(map(str, told.prefixes))} no more")
    if code == DONE and (pid := runfiles.running_pid(run_dir)) is not None:
        print(f"the agent (pid {pid}) still runs and announces again once healthy: stop it, or `kun-nat64 drain`")
    return code


async def _with_machine(spec: AgentSpec, work: Callable[[Host], Awaitable[int]]) -> int:
    host = RealHost(spec)
    try:
        return await work(host)
    finally:
        host.close()


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


async def _apply(spec: AgentSpec, host: Host, run_dir: Path, *, force: bool) -> int:
    todo, refusals, seen = await planned(spec, host)
    against = [refusal for refusal in refusals if not (force and refusal.forcible)]
    if against:
        _print_plan(todo, against)
        return REFUSED
    with contextlib.suppress(OSError):
        runfiles.remember_before(run_dir, seen.facts)
    for cut in todo.cuts:
        print(f"! {cut.reason}", file=sys.stderr)
    well = await carry_out(todo, host)
    reached, _, seen = await planned(spec, host)
    return _reached(todo, reached, seen, well=well)


async def carry_out(todo: Plan, host: Host) -> bool:
    """False for a failure, at which it stops: what comes later may rest on it. Nothing rests on a kernel setting."""
    well = True
    for batch in batches(todo.changes):
        try:
            await host.apply(batch)
        except DriverError as error:
            print(f"failed: {error}", file=sys.stderr)
            well = False
            if not holds_up_nothing(batch):
                break
        else:
            print(*batch, sep="\n")
    return well


def _reached(todo: Plan, rest: Plan, seen: Observation, *, well: bool) -> int:
    """What another look found afterwards, whatever the commands said."""
    _print_unknown(seen)
    if rest:
        print(f"what is still to be done:\n{rest}", file=sys.stderr)
    if rest or seen.failures or not well:
        return FAILED
    print(f"{len(todo.changes)} changes made, and all is as it should be" if todo else "nothing to change")
    return DONE


async def _tear_down(spec: AgentSpec, host: Host, run_dir: Path) -> int:
    todo, _ = await _removal(spec, host, run_dir)
    well = await carry_out(todo, host)
    well = await _take_back_daemon(spec) and well
    rest, seen = await _removal(spec, host, run_dir)
    code = _reached(todo, rest, seen, well=well)
    if code == DONE:
        runfiles.forget_before(run_dir)
    return code


async def _take_back_daemon(spec: AgentSpec) -> bool:
    """Neighbours and filters that the agent wrote. A speaker that has none of them is left alone."""
    if spec.bgp.manage_daemon:
        try:
            await configuration_of(spec.bgp.speaker, ProcessRunner()).remove(spec.bgp)
        except DriverError as error:
            print(f"failed: {error}", file=sys.stderr)
            return False
    return True


async def _removal(spec: AgentSpec, host: Host, run_dir: Path) -> tuple[Plan, Observation]:
    seen = await host.observe(teardown_scope(spec))
    # Modules stay: other namespaces may translate with them, and by themselves they do nothing.
    modules = frozenset(fact for fact in seen.facts if isinstance(fact, Module))
    return plan(after_teardown(runfiles.load_before(run_dir) | modules, seen.facts), seen), seen


def _print_unknown(seen: Observation) -> None:
    for area, error in seen.failures.items():
        print(f"not looked at: {area}: {error}", file=sys.stderr)


def _warn(finding: Finding) -> None:
    if finding.level is not Level.GOOD:
        print(f"{finding.check}: {finding.words} -> {finding.remedy}", file=sys.stderr)


def _lacking(missing: Sequence[Missing]) -> bool:
    for each in missing:
        print(each, file=sys.stderr)
    return bool(missing)


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


def _print_plan(todo: Plan, refusals: Sequence[Refusal]) -> None:
    if not todo:
        print("nothing to change")
        return
    print(todo)
    print(f"{len(todo.changes)} changes, checksum {todo.checksum}")
    for refusal in refusals:
        hint = "" if not refusal.forcible else " (`apply --force` does it all the same)"
        print(f"refused: {refusal}{hint}", file=sys.stderr)
