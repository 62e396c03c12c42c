"""Runs the parts of the agent, from its start to its stop."""

import asyncio
import os
from collections.abc import Callable, Coroutine
from functools import partial
from time import monotonic
from typing import Any

from kun_base.notify import notify, watchdog_interval_s
from kun_base.version import version
from kun_nat64.agent.timing import pause, ticking
from kun_nat64.agent.wiring import Agent
from kun_nat64.drivers import runfiles
from kun_nat64.drivers.command import wait_without_threads
from kun_nat64.drivers.deadman import DeadMan
from kun_nat64.model.announcement import LastAnnounced
from kun_nat64.model.errors import DriverError
from kun_nat64.model.warnings import WarningName, of_loop

BEAT_S = 2.0
# A part that failed begins again after AGAIN_S, and is warned about for WARNED_S.
AGAIN_S, WARNED_S = 1.0, 60.0


async def serve(agent: Agent) -> None:
    """Run until `agent.stop`. Data plane and announcement stay as they are: a restart disturbs no flow."""
    wait_without_threads()
    state = agent.state
    agent.drain.restore(runfiles.load_drain(agent.options.lasting, now=state.clock(), wall=state.wall()))
    noted = runfiles.load_announced(agent.options.run_dir)
    dead_man = DeadMan(partial(_withdraw, agent))
    await agent.admin_loop.open()
    agent.host.listen()
    dead_man.start()
    try:
        async with asyncio.TaskGroup() as group:
            for name, loop in LOOPS.items():
                group.create_task(_kept(agent, name, loop(agent)))
            for work in (_beat(agent, dead_man), _say_ready(agent), _leave(agent, noted), _end(agent)):
                group.create_task(work)
    finally:
        dead_man.close()
        await agent.admin.close()
        await agent.fleet.close()
        await agent.traffic.close()
        agent.host.close()


Loop = Callable[[asyncio.Event], Coroutine[Any, Any, None]]


# By name: that of the warning is "loop-NAME".
LOOPS: dict[str, Callable[[Agent], Loop]] = {
    "probes": lambda agent: agent.probes.run,
    "cycle": lambda agent: agent.cycle.run,
    "announcer": lambda agent: agent.announcer.run,
    "link-watch": lambda agent: agent.link_watch.run,
    "sessions": lambda agent: agent.traffic.run,
    "counters": lambda agent: agent.counters.run,
    "path-mtu": lambda agent: agent.pmtu.run,
    "node-ways": lambda agent: agent.node_ways.run,
    "speaker-conf": lambda agent: agent.speaker_conf.run,
    "admin": lambda agent: agent.admin_loop.run,
    "fleet": lambda agent: agent.fleet.run,
    "ring": lambda agent: agent.ring.run,
    "reload": lambda agent: agent.reload.run,
    "table": lambda agent: agent.table.run,
}


async def _kept(agent: Agent, name: str, run: Loop) -> None:
    """Run one loop, and restart it after errors of the host (no descriptors, no memory). Other loops run on."""
    while not agent.stop.is_set():
        try:
            await run(agent.stop)
            break
        except (OSError, DriverError) as error:
            words = f"the part {name} of the agent failed, and continues: {error}"
            if agent.state.warnings.warn(of_loop(name), words):
                agent.journal.error("part", name=name, failed=str(error))
            asyncio.get_running_loop().call_later(WARNED_S, _end_warning, agent, of_loop(name), words)
            await pause(AGAIN_S, agent.stop)


def _end_warning(agent: Agent, name: WarningName, words: str) -> None:
    """Unless it has failed again for another reason."""
    if agent.state.warnings.get(name) == words:
        agent.state.warnings.end_warning(name)


def _withdraw(agent: Agent) -> None:
    """Withdraw for the dead-man's switch, in a thread, because the event loop hangs."""
    try:
        agent.host.withdraw_blocking()
    except DriverError as error:
        agent.journal.error("dead-man", failed=str(error))


async def _beat(agent: Agent, dead_man: DeadMan) -> None:
    """Report life to the dead-man's switch and to systemd's watchdog."""
    interval_s = min(BEAT_S, watchdog_interval_s() or BEAT_S)

    def beat(due: float) -> float:
        dead_man.beat()
        notify("WATCHDOG=1")
        if dead_man.sprung:
            dead_man.sprung = 0
            agent.journal.error("dead-man", why="the agent hung; the path was withdrawn until it ran again")
            agent.announcer.forget()
        return max(due + interval_s, monotonic())

    await ticking(beat, monotonic, agent.stop)


async def _say_ready(agent: Agent) -> None:
    """Report ready to systemd after the first observation. /readyz says whether to send traffic here."""
    while agent.state.machine.turns == 0 and not agent.stop.is_set():
        await pause(0.05, agent.stop)
    agent.journal.info("ready", name=agent.state.spec.gateway.name, version=version(), pid=os.getpid())
    notify("READY=1", f"STATUS={agent.state.spec.gateway.served}")


async def _leave(agent: Agent, noted: LastAnnounced | None) -> None:
    """Withdraw paths of an earlier agent that this configuration does not have, after adopting our own."""
    while not agent.state.standing.knows_bgp and not agent.stop.is_set():
        await pause(0.5, agent.stop)
    if noted is not None and agent.state.standing.knows_bgp:
        agent.former_paths.leave(noted)


async def _end(agent: Agent) -> None:
    """Wake all sleeping loops at the stop."""
    await agent.stop.wait()
    notify("STOPPING=1")
    agent.journal.info("stopping", standing=agent.state.standing.decision.standing, kept="data plane and announcement")
    agent.cycle.wake()
    agent.announcer.poke()
    agent.link_watch.poke()
    agent.traffic.wake()
    agent.counters.wake()
    agent.fleet.wake()
    agent.ring.wake()
    agent.reload.wake()
