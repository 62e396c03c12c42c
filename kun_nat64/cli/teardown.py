"""The `teardown` command."""

import asyncio
import sys
from pathlib import Path

from kun_nat64.cli.exit_codes import DONE, FAILED
from kun_nat64.cli.machine import change, report_missing, report_result, with_machine
from kun_nat64.config.load import load
from kun_nat64.drivers import runfiles
from kun_nat64.drivers.command import ProcessRunner
from kun_nat64.drivers.daemon_configuration import configuration_of
from kun_nat64.drivers.preflight import missing_for_changes
from kun_nat64.model.errors import DriverError
from kun_nat64.model.facts import Module
from kun_nat64.model.host import Host
from kun_nat64.model.observation import Observation
from kun_nat64.model.plan import Plan
from kun_nat64.model.spec import AgentSpec
from kun_nat64.policy.desired import after_teardown, teardown_scope
from kun_nat64.policy.diff import plan


def tear_down(config: Path, run_dir: Path) -> int:
    spec = load(config)
    if report_missing(missing_for_changes(spec)):
        return FAILED
    pid = runfiles.running_pid(run_dir)
    if pid is not None:
        print(f"the agent (pid {pid}) would set everything up again: `systemctl stop kun-nat64` first", file=sys.stderr)
        return FAILED
    return asyncio.run(with_machine(spec, lambda host: _tear_down(spec, host, run_dir)))


async def _tear_down(spec: AgentSpec, host: Host, run_dir: Path) -> int:
    todo, _ = await _removal(spec, host, run_dir)
    well = await change(todo, host)
    well = await _take_back_daemon(spec) and well
    rest, seen = await _removal(spec, host, run_dir)
    code = report_result(todo, rest, seen, well=well)
    if code == DONE:
        runfiles.forget_before(run_dir)
    return code


async def _take_back_daemon(spec: AgentSpec) -> bool:
    """Remove neighbours and filters that the agent wrote. A speaker without them is not changed."""
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
