"""The `apply` command: changes made once by this command, or by the running agent."""

import asyncio
import contextlib
import sys
from pathlib import Path

from kun_nat64.cli.agent_client import NoAgent, ask
from kun_nat64.cli.errors import complain
from kun_nat64.cli.exit_codes import DONE, FAILED, REFUSED
from kun_nat64.cli.followed import load_followed
from kun_nat64.cli.machine import change, report_missing, report_result, with_machine
from kun_nat64.cli.plan import planned, print_plan
from kun_nat64.drivers import runfiles
from kun_nat64.drivers.preflight import missing_for_changes
from kun_nat64.model.host import Host
from kun_nat64.model.spec import AgentSpec


def apply_once(config: Path, run_dir: Path, *, force: bool) -> int:
    spec = load_followed(config, run_dir)
    if report_missing(missing_for_changes(spec)):
        return FAILED
    pid = runfiles.running_pid(run_dir)
    if pid is not None:
        return (
            _by_the_agent(config, run_dir)
            if force
            else complain(
                f"the agent (pid {pid}) keeps this gateway as its file describes; `kill -HUP {pid}` makes it read "
                "the file again, `apply --force` overrides its guard"
            )
        )
    return asyncio.run(with_machine(spec, lambda host: _apply(spec, host, run_dir, force=force)))


def _by_the_agent(config: Path, run_dir: Path) -> int:
    """Let the running agent apply the file by force: it would undo changes made by this command."""
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
    print(f"the agent has taken {config}; `kun-nat64 status` shows the result")
    return DONE


async def _apply(spec: AgentSpec, host: Host, run_dir: Path, *, force: bool) -> int:
    todo, refusals, seen = await planned(spec, host)
    against = [refusal for refusal in refusals if not (force and refusal.forcible)]
    if against:
        print_plan(todo, against)
        return REFUSED
    with contextlib.suppress(OSError):
        runfiles.remember_before(run_dir, seen.facts)
    for cut in todo.cuts:
        print(f"! {cut.reason}", file=sys.stderr)
    well = await change(todo, host)
    reached, _, seen = await planned(spec, host)
    return report_result(todo, reached, seen, well=well)
