"""`kun-nat64 run`: takes the lock, chooses the file to start with, and runs the agent."""

import asyncio
import signal
from pathlib import Path

from kun_base.earlysignals import hand_over
from kun_base.errors import ConfigError
from kun_base.journal import Journal
from kun_base.library_log import send_library_logs_to
from kun_nat64.agent.options import Options
from kun_nat64.agent.reload import NOT_TAKEN
from kun_nat64.agent.serve import serve
from kun_nat64.agent.wiring import Agent
from kun_nat64.config.load import from_data, load, old_names, running_kernel
from kun_nat64.drivers import runfiles
from kun_nat64.drivers.preflight import missing_for_changes
from kun_nat64.drivers.real_host import RealHost
from kun_nat64.model.errors import DriverError, FailureKind
from kun_nat64.model.host import Host
from kun_nat64.model.spec import AgentSpec
from kun_nat64.model.traffic import Traffic
from kun_nat64.model.warnings import WarningName
from kun_nat64.policy.filechange import at_start
from kun_nat64.policy.flow_loss import without_probes
from kun_nat64.policy.probepath import probe_address


def handle_signals(agent: Agent) -> None:
    """TERM and INT end the agent, HUP makes it read its file again."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, agent.stop.set)
    hand_over(loop, agent.reload.poke)


async def in_force(spec: AgentSpec, run_dir: Path, host: Host | None = None) -> tuple[AgentSpec, str]:
    """Return the file to start with, and why: the last one if the new one would end flows, as at a reload."""
    written = runfiles.load_taken(run_dir)
    try:
        old = None if written is None else from_data(written, spec.source, running_kernel())
    except ConfigError:
        old = None
    if old is None or not at_start(old, spec, None):
        return spec, ""
    machine = host or RealHost(old, notice=None)
    try:
        traffic: Traffic | None = without_probes(await machine.traffic(old.nat64.instance), probe_address(old))
    except DriverError as error:
        # No instance, no flows. Of one that does not answer, nothing is known.
        traffic = Traffic() if error.kind in (FailureKind.NOT_FOUND, FailureKind.MISSING_MODULE) else None
    finally:
        if isinstance(machine, RealHost):
            machine.close()
    against = at_start(old, spec, traffic)
    return (old, "; ".join(map(str, against))) if against else (spec, "")


async def _run(spec: AgentSpec, options: Options, journal: Journal, run_dir_problem: str) -> None:
    spec, refused = await in_force(spec, options.run_dir)
    if refused:
        journal.error("start", failed=f"{NOT_TAKEN}: {refused}", remedy="`kun-nat64 apply --force` takes it")
    agent = Agent(spec, options, journal)
    if refused:
        agent.reload.warn_not_taken(refused)
    if run_dir_problem:
        agent.state.warnings.warn(WarningName.RUN_DIR, run_dir_problem)
    handle_signals(agent)
    await serve(agent)


def main(options: Options) -> int:
    """The exit code of `kun-nat64 run`. Raises ConfigError."""
    spec = load(options.config)
    journal = Journal("kun-nat64", as_json=spec.log.as_json, level=spec.log.level)
    send_library_logs_to(journal)
    for note in old_names(spec.written):
        journal.warning("config", note=note)
    lock, run_dir_problem = runfiles.Lock(options.run_dir), ""
    try:
        lock.take()
    except runfiles.AlreadyRunning as error:
        journal.error("start", failed=str(error), remedy=f"one agent per gateway: `kill {error.pid}` ends the other")
        return 1
    except OSError as error:
        # The gateway is for the pods: without a folder it forgets drains and falls at a restart, and goes on.
        run_dir_problem = f"cannot be written: {error}; a restart of the agent forgets drains and falls"
        journal.error("start", failed=str(error), remedy="run it as root, or give another --run-dir")
    missing = [f"{each.what}: {each.remedy}" for each in missing_for_changes(spec)]
    for line in missing:
        journal.error("start", missing=line)
    if missing:
        return 1
    asyncio.run(_run(spec, options, journal, run_dir_problem))
    lock.release()
    return 0
