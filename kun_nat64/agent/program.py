"""Wiring: the running agent, from its start to its stop."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from time import monotonic, time
from typing import Any, Protocol

from kun_base.earlysignals import hand_over
from kun_base.errors import ConfigError
from kun_base.journal import Journal
from kun_base.library_log import send_library_logs_to
from kun_base.notify import notify, watchdog_interval_s
from kun_base.table_file import FILE_NAME
from kun_base.table_follower import FollowPlan
from kun_base.version import version
from kun_nat64.agent.admin_loop import AdminLoop
from kun_nat64.agent.admin_pages import Admin, Orders
from kun_nat64.agent.announcer import Announcer, removals, told_to
from kun_nat64.agent.counter_loop import CounterLoop
from kun_nat64.agent.cycle import Cycle
from kun_nat64.agent.drain_turn import DrainTurn
from kun_nat64.agent.fleet_loop import FleetLoop
from kun_nat64.agent.link_watch import LinkWatch
from kun_nat64.agent.node_way_loop import NodeKeeping
from kun_nat64.agent.pmtu_loop import PmtuLoop
from kun_nat64.agent.probe_loop import ProbeLoop
from kun_nat64.agent.reload import NOT_TAKEN, WARNING, Means, Reload
from kun_nat64.agent.ring_loop import RingLoop
from kun_nat64.agent.session_log import SessionLog
from kun_nat64.agent.session_lookups import SessionLookups
from kun_nat64.agent.speaker_conf_loop import SpeakerConfLoop
from kun_nat64.agent.table_loop import TableLoop
from kun_nat64.agent.timing import pause, ticking
from kun_nat64.agent.traffic_loop import TrafficLoop
from kun_nat64.config.load import from_data, load, old_names, running_kernel
from kun_nat64.drivers import filehistory, runfiles
from kun_nat64.drivers.canary import Canary, Prober
from kun_nat64.drivers.command import wait_without_threads
from kun_nat64.drivers.deadman import DeadMan
from kun_nat64.drivers.preflight import missing_for_changes
from kun_nat64.drivers.real_host import RealHost
from kun_nat64.drivers.speaker import take_back
from kun_nat64.model.announcement import WITHDRAWN, Told
from kun_nat64.model.area import Area
from kun_nat64.model.drain import Drain
from kun_nat64.model.errors import DriverError, FailureKind
from kun_nat64.model.facts import Facts
from kun_nat64.model.foreign_objects import Surroundings
from kun_nat64.model.health import ProbeResult
from kun_nat64.model.host import Host
from kun_nat64.model.nodeways import NodeWay
from kun_nat64.model.observation import Observation, Scope
from kun_nat64.model.probefacts import Passed
from kun_nat64.model.publiccounts import CountedTraffic
from kun_nat64.model.spec import AgentSpec
from kun_nat64.model.traffic import Traffic
from kun_nat64.policy.desired import scope
from kun_nat64.policy.filechange import at_start
from kun_nat64.policy.flow_loss import without_probes
from kun_nat64.policy.holddown import FallRecord
from kun_nat64.policy.probepath import probe_address
from kun_nat64.state.agent_state import State
from kun_nat64.state.diagnosis import note_diagnosis

BEAT_S = 2.0
# A part that failed begins again after this, and is spoken of for a while.
AGAIN_S, SAID_S = 1.0, 60.0


class RunningHost(Host, Protocol):
    """What the agent needs beside looking and changing."""

    def listen(self) -> None: ...
    async def stats(self, instance: str) -> dict[str, int]: ...
    async def surroundings(self, spec: AgentSpec) -> Surroundings: ...
    async def passed(self, spec: AgentSpec) -> Passed | None: ...
    async def ways_to(
        self, nodes: Sequence[IPv4Address | IPv6Address], vip: IPv4Address | None
    ) -> tuple[NodeWay, ...]: ...
    def doubt_flows(self) -> None: ...
    async def borrowed(self) -> int: ...
    async def own_addresses(self) -> frozenset[IPv4Address]: ...
    async def carried(self) -> CountedTraffic: ...
    async def glimpse(self, scope: Scope) -> Observation | None: ...
    def withdraw_blocking(self) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Options:
    """`state_dir`: for what should outlive a reboot; None: there is none, and `run_dir` has to do."""

    config: Path
    run_dir: Path
    state_dir: Path | None = None

    @property
    def lasting(self) -> Path:
        return self.state_dir or self.run_dir

    def followed(self, spec: AgentSpec) -> FollowPlan | None:
        """The table is always kept: commands look at the machine with it, too."""
        plan = spec.follow
        return replace(plan, file=plan.file or self.lasting / FILE_NAME) if plan is not None else None


class Agent:
    """The parts and how they wake each other. `host` and `prober` are what the tests replace."""

    def __init__(self, spec: AgentSpec, options: Options, journal: Journal, host: RunningHost | None = None) -> None:
        self.options, self.journal = options, journal
        self.host: RunningHost = host or RealHost(spec, notice=self.noticed)
        self.stop = asyncio.Event()
        self.state = State(spec, journal, clock=monotonic, wall=time, identity=os.urandom(8).hex())
        self.table = TableLoop(self.state, options.followed(spec), spec, self._table_moved)
        self.announcer = Announcer(self.state, self.host, self._keep_told)
        self.cycle = Cycle(self.state, self.host, self.announcer.poke, self._remember)
        self.sessions = TrafficLoop(
            self.state, self.host, SessionLog(spec, self.state.audit, journal, self.state.names.who_was)
        )
        self.counting = CounterLoop(self.state, self.host)
        self.glancing = LinkWatch(self.state, self.host)
        self.sweeping = PmtuLoop(self.state)
        self.nodes = NodeKeeping(self.state, self.host)
        self.daemon = SpeakerConfLoop(self.state)
        count = lambda instance: self.host.traffic(instance)  # noqa: E731 - the host may be another one then
        self.reload = Reload(self.state, Means(self._load, self._look, count, self._take, self._keep_file))
        self.fleet = FleetLoop(self.state)
        self.drain_turn = DrainTurn(self.state, self.fleet.look_now)
        lookups = SessionLookups(self.state, lambda: self.host).handlers()
        turn = self.drain_turn.held
        orders = Orders(self.set_drain, self.reload.now, self.fleet.whole, turn, self.table.accept, lookups)
        self.admin = Admin(self.state, orders)
        self.serving = AdminLoop(self.state, self.admin, options.run_dir / runfiles.CONTROL)
        self.ring = RingLoop(self.state, self.host)
        self.announcer.warn_members = self.ring.tell
        self.probing = ProbeLoop(self.state, self._prober())
        self.state.wake_announcer = self.announcer.poke
        self.state.wake_cycle = self.cycle.wake
        self.state.wake_counting = self.counting.wake
        self.state.keep_falls = self._keep_falls
        self.state.recall_falls(runfiles.load_falls(options.lasting))
        self._loaded: tuple[AgentSpec, AgentSpec] | None = None
        self.table.set_drain, self.table.drain_turn = self.set_drain, turn
        self.table.start()

    def _prober(self) -> Prober:
        spec = self.state.spec
        return Canary(spec.health, spec.gateway.pool6, self._heard)

    def _heard(self, result: ProbeResult) -> None:
        """Most results change nothing; one that moves a target is acted on at once."""
        now = self.state.clock()
        if self.state.hear(result, now=now):
            self.state.evaluate(now=now)
            note_diagnosis(self.state)

    def _take_host(self, host: RunningHost) -> None:
        self.host.close()
        self.host = self.announcer.host = self.cycle.host = host
        self.sessions.host = self.counting.host = self.glancing.host = self.nodes.host = self.ring.host = host
        host.listen()

    def noticed(self, area: Area) -> None:
        """The kernel says that somebody changed something: time to look, at what has changed only."""
        if area is Area.LINKS:
            self.glancing.poke()
        self.cycle.wake(fresh=False)

    def set_drain(self, drain: Drain, keep: bool) -> str | None:
        """Acts on a drain at once, and stores it; what could not be stored is said and does not stop it."""
        before, self.state.drain = self.state.drain, drain
        if before.phase is not drain.phase:
            self.journal.info("drain", phase=drain.phase, was=before.phase, why=drain.why or None)
        problem = self._store(drain) if keep else None
        self.state.evaluate(now=self.state.clock())
        self.sessions.wake()
        return problem

    def _remember(self, facts: Facts) -> None:
        with contextlib.suppress(OSError):
            runfiles.remember_before(self.options.run_dir, facts)

    def _store(self, drain: Drain) -> str | None:
        try:
            runfiles.save_drain(self.options.lasting, drain)
        except OSError as error:
            problem = f"the drain is in force, but will not survive a restart of the agent: {error}"
            self.state.warnings["run-dir"] = problem
            self.journal.error("drain", failed=problem)
            return problem
        self.state.warnings.pop("run-dir", None)
        return None

    def _keep_falls(self, record: FallRecord) -> None:
        try:
            runfiles.save_falls(self.options.lasting, record)
        except OSError as error:
            self.state.warnings["run-dir"] = f"a restarted agent will not know of earlier falls: {error}"

    def _keep_told(self, told: Told) -> None:
        with contextlib.suppress(OSError):
            runfiles.save_told(self.options.run_dir, told)

    def _keep_file(self, spec: AgentSpec) -> None:
        if spec.written is not None:
            with contextlib.suppress(OSError):
                runfiles.save_taken(self.options.run_dir, spec.written)
            # Unless somebody has changed the file since it was read.
            with contextlib.suppress(OSError, ConfigError):
                if load(self.options.config).written == spec.written:
                    filehistory.record(self.options.lasting, self.options.config, "agent")

    async def probe(self) -> None:
        """The prober is closed at the end, however that comes: another one for another beginning."""
        try:
            await self.probing.run(self.stop)
        except OSError:
            self.probing.replace(self._prober())
            raise

    def leave(self, told: Told) -> None:
        """Withdraws those of these paths that are not ours any more; all of them, where another speaker has them."""
        bgp = self.state.spec.bgp
        if (told.speaker, told.api, told.paths_file) == (bgp.speaker, bgp.api, bgp.paths_file):
            stale = removals(told, set(map(str, bgp.prefixes)))
            if stale:
                self.announcer.poke(stale)
        elif told.prefixes:
            self._take_back(told)

    def _take_back(self, told: Told) -> None:
        """In a thread: a speaker that is being left may hang."""
        work = asyncio.get_running_loop().run_in_executor(None, take_back, told)
        work.add_done_callback(lambda done: self._left(told, done.exception()))

    def _left(self, told: Told, error: BaseException | None) -> None:
        """It may have been the same speaker by another address: ours is told again."""
        if error is not None:
            self.journal.error("bgp", left_behind=", ".join(told.prefixes), api=told.api, failed=str(error))
        self.announcer.poke()

    def withdraw(self) -> None:
        """The dead-man's act: in a thread of its own, since the event loop hangs."""
        try:
            self.host.withdraw_blocking()
        except DriverError as error:
            self.journal.error("dead-man", failed=str(error))

    async def _look(self, spec: AgentSpec) -> Observation:
        """By eyes of its own: those of the cycle remember what another file asked for."""
        host = RealHost(spec, notice=None)
        try:
            return await host.observe(scope(spec))
        finally:
            host.close()

    def _load(self) -> AgentSpec:
        """The file with the table in force. Raises ConfigError."""
        base = load(self.options.config)
        self._loaded = self.table.effective(base), base
        return self._loaded[0]

    def _table_moved(self) -> None:
        self.cycle.wake(fresh=False)

    def _take(self, spec: AgentSpec) -> None:
        """Lets a file take force that was not refused."""
        if self._loaded is not None and self._loaded[0] is spec:
            # The table may have gone on while the file was judged.
            spec = self.table.take_base(self._loaded[1])
        old = self.state.spec
        self.state.take(spec)
        self.journal.change(as_json=spec.log.as_json, level=spec.log.level)
        if spec.bgp != old.bgp:
            self._take_host(RealHost(spec, notice=self.noticed))
            self.leave(told_to(old.bgp, self.state.speaker.told or WITHDRAWN))
        if (spec.health, spec.gateway.pool6) != (old.health, old.gateway.pool6):
            self.probing.replace(self._prober())
        if (spec.audit, spec.gateway) != (old.audit, old.gateway):
            self.sessions.replace_log(SessionLog(spec, self.state.audit, self.journal, self.state.names.who_was))
        if (spec.fleet, spec.gateway.served) != (old.fleet, old.gateway.served):
            self.fleet.take(spec)
        self.ring.wake()
        self.state.swept = None
        self.cycle.wake()


async def serve(agent: Agent) -> None:
    """Runs until `agent.stop`. The data plane and the announcement stay as they are: a restart disturbs no flow."""
    wait_without_threads()
    state = agent.state
    state.drain = runfiles.load_drain(agent.options.lasting, now=state.clock(), wall=state.wall())
    noted = runfiles.load_told(agent.options.run_dir)
    dead_man = DeadMan(agent.withdraw)
    await agent.serving.open()
    agent.host.listen()
    dead_man.start()
    try:
        async with asyncio.TaskGroup() as group:
            for name, run in _loops(agent).items():
                group.create_task(_kept(agent, name, run))
            for work in (_beat(agent, dead_man), _say_ready(agent), _leave(agent, noted), _end(agent)):
                group.create_task(work)
    finally:
        dead_man.close()
        await agent.admin.close()
        await agent.fleet.close()
        await agent.sessions.close()
        agent.host.close()


Loop = Callable[[], Coroutine[Any, Any, None]]


def _loops(agent: Agent) -> dict[str, Loop]:
    parts: dict[str, Callable[[asyncio.Event], Coroutine[Any, Any, None]]] = {
        "cycle": agent.cycle.run,
        "announcer": agent.announcer.run,
        "link-watch": agent.glancing.run,
        "sessions": agent.sessions.run,
        "counters": agent.counting.run,
        "path-mtu": agent.sweeping.run,
        "node-ways": agent.nodes.run,
        "speaker-conf": agent.daemon.run,
        "admin": agent.serving.run,
        "fleet": agent.fleet.run,
        "ring": agent.ring.run,
        "reload": agent.reload.run,
        "table": agent.table.run,
    }
    return {"probes": agent.probe} | {name: partial(run, agent.stop) for name, run in parts.items()}


async def _kept(agent: Agent, name: str, run: Loop) -> None:
    """One loop, begun again where the machine failed it: no descriptors, no memory. The others do not notice."""
    while not agent.stop.is_set():
        try:
            await run()
            break
        except (OSError, DriverError) as error:
            words = f"the part {name} of the agent failed, and goes on: {error}"
            if agent.state.warnings.get(name) != words:
                agent.journal.error("part", name=name, failed=str(error))
            agent.state.warnings[name] = words
            asyncio.get_running_loop().call_later(SAID_S, _unsay, agent, name, words)
            await pause(AGAIN_S, agent.stop)


def _unsay(agent: Agent, name: str, words: str) -> None:
    if agent.state.warnings.get(name) == words:
        del agent.state.warnings[name]


async def _beat(agent: Agent, dead_man: DeadMan) -> None:
    """Life signs, for our own dead-man's switch and for systemd's watchdog."""
    interval_s = min(BEAT_S, watchdog_interval_s() or BEAT_S)

    def beat(due: float) -> float:
        dead_man.beat()
        notify("WATCHDOG=1")
        if dead_man.sprung:
            dead_man.sprung = 0
            agent.state.speaker.told = None
            agent.journal.error("dead-man", why="the agent hung; the path was withdrawn until it moved again")
            agent.announcer.poke()
        return max(due + interval_s, monotonic())

    await ticking(beat, monotonic, agent.stop)


async def _say_ready(agent: Agent) -> None:
    """Ready means: looked at the machine once. Whether to send traffic here is /readyz's business."""
    while agent.state.machine.turns == 0 and not agent.stop.is_set():
        await pause(0.05, agent.stop)
    agent.journal.info("ready", name=agent.state.spec.gateway.name, version=version(), pid=os.getpid())
    notify("READY=1", f"STATUS={agent.state.spec.gateway.served}")


async def _leave(agent: Agent, noted: Told | None) -> None:
    """What an earlier agent announced and this configuration does not know must not stay; ours is adopted first."""
    while not agent.state.knows_bgp and not agent.stop.is_set():
        await pause(0.5, agent.stop)
    if noted is not None and agent.state.knows_bgp:
        agent.leave(noted)


async def _end(agent: Agent) -> None:
    """Wakes everybody who sleeps when it is time to stop."""
    await agent.stop.wait()
    notify("STOPPING=1")
    agent.journal.info("stopping", standing=agent.state.decision.standing, kept="data plane and announcement")
    agent.cycle.wake()
    agent.announcer.poke()
    agent.glancing.poke()
    agent.sessions.wake()
    agent.counting.wake()
    agent.fleet.wake()
    agent.ring.wake()
    agent.reload.wake()


def handle_signals(agent: Agent) -> None:
    """TERM and INT end the agent, HUP makes it read its file again."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, agent.stop.set)
    hand_over(loop, agent.reload.poke)


async def in_force(spec: AgentSpec, run_dir: Path, host: Host | None = None) -> tuple[AgentSpec, str]:
    """The file to start with: the last one, where this one would end flows; and why. A restart is no way around."""
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


async def _run(spec: AgentSpec, options: Options, journal: Journal, warnings: dict[str, str]) -> None:
    spec, refused = await in_force(spec, options.run_dir)
    if refused:
        warnings[WARNING] = f"{NOT_TAKEN}: {refused}"
        journal.error("start", failed=warnings[WARNING], remedy="`kun-nat64 apply --force` takes it")
    agent = Agent(spec, options, journal)
    agent.state.warnings |= warnings
    handle_signals(agent)
    await serve(agent)


def main(options: Options) -> int:
    """The exit code of `kun-nat64 run`. Raises ConfigError."""
    spec = load(options.config)
    journal = Journal("kun-nat64", as_json=spec.log.as_json, level=spec.log.level)
    send_library_logs_to(journal)
    for note in old_names(spec.written):
        journal.warning("config", note=note)
    lock, warnings = runfiles.Lock(options.run_dir), dict[str, str]()
    try:
        lock.take()
    except runfiles.AlreadyRunning as error:
        journal.error("start", failed=str(error), remedy=f"one agent per gateway: `kill {error.pid}` ends the other")
        return 1
    except OSError as error:
        # The gateway is for the pods: without a folder it forgets drains and falls at a restart, and goes on.
        warnings["run-dir"] = f"cannot be written: {error}; drains and falls will not outlive the agent"
        journal.error("start", failed=str(error), remedy="run it as root, or give another --run-dir")
    missing = [f"{each.what}: {each.remedy}" for each in missing_for_changes(spec)]
    for line in missing:
        journal.error("start", missing=line)
    if missing:
        return 1
    asyncio.run(_run(spec, options, journal, warnings))
    lock.release()
    return 0
