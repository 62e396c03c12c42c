"""The parts of the running agent, and how they wake each other. agent/serve.py runs them."""

import asyncio
import os
from time import monotonic, time

from kun_base.journal import Journal
from kun_nat64.agent.admin_loop import AdminLoop
from kun_nat64.agent.admin_pages import Admin, Orders
from kun_nat64.agent.announcer import Announcer, last_announced
from kun_nat64.agent.counter_loop import CounterLoop
from kun_nat64.agent.cycle import Cycle
from kun_nat64.agent.drain_control import DrainControl
from kun_nat64.agent.drain_turn import DrainTurn
from kun_nat64.agent.fleet_loop import FleetLoop
from kun_nat64.agent.former_paths import FormerPaths
from kun_nat64.agent.host_slot import HostSlot, RunningHost
from kun_nat64.agent.kept_files import KeptFiles
from kun_nat64.agent.link_watch import LinkWatch
from kun_nat64.agent.node_way_loop import NodeWayLoop
from kun_nat64.agent.options import Options
from kun_nat64.agent.pmtu_loop import PmtuLoop
from kun_nat64.agent.probe_loop import ProbeLoop
from kun_nat64.agent.reload import Means, Reload
from kun_nat64.agent.ring_loop import RingLoop
from kun_nat64.agent.session_log import SessionLog
from kun_nat64.agent.session_lookups import SessionLookups
from kun_nat64.agent.speaker_conf_loop import SpeakerConfLoop
from kun_nat64.agent.table_loop import TableLoop, TableOrders
from kun_nat64.agent.traffic_loop import TrafficLoop
from kun_nat64.config.load import load
from kun_nat64.drivers import runfiles
from kun_nat64.drivers.real_host import RealHost
from kun_nat64.model.announcement import WITHDRAWN
from kun_nat64.model.area import Area
from kun_nat64.model.observation import Observation
from kun_nat64.model.plan import Plan
from kun_nat64.model.spec import AgentSpec
from kun_nat64.policy.desired import scope
from kun_nat64.policy.table_merge import Place
from kun_nat64.state.agent_state import Callbacks, State


class Agent:
    """Hold the parts of one agent. `host`: for tests, instead of the real one."""

    def __init__(self, spec: AgentSpec, options: Options, journal: Journal, host: RunningHost | None = None) -> None:
        self.options, self.journal, self.stop = options, journal, asyncio.Event()
        self.host = HostSlot(host or RealHost(spec, notice=self.look_again))
        self.state = state = State(
            spec, journal, clock=monotonic, wall=time, identity=os.urandom(8).hex(), callbacks=self._callbacks()
        )
        self.kept = KeptFiles(state, options)
        self.ring = RingLoop(state, self.host)
        self.announcer = Announcer(state, self.host, self.kept.keep_announced, self.ring.tell_members)
        self.former_paths = FormerPaths(state, self.announcer)
        self.cycle = Cycle(state, self.host, self.announcer.poke, self.kept.keep_before)
        self.link_watch = LinkWatch(state, self.host, self.cycle.note_hard)
        self.drain = DrainControl(state, self.kept.keep_drain, lambda: self.traffic.wake())
        log = SessionLog(spec, state.audit, journal, state.names.who_was)
        self.traffic = TrafficLoop(state, self.host, log, note_sessions=self.drain.note_sessions)
        self.counters, self.node_ways = CounterLoop(state, self.host), NodeWayLoop(state, self.host)
        self.pmtu, self.speaker_conf, self.fleet = PmtuLoop(state), SpeakerConfLoop(state), FleetLoop(state)
        self.probes = ProbeLoop(state)
        self.reload = Reload(
            state, Means(self._load, self._look, self.host.traffic, self._approve, self._take, self.kept.keep_file)
        )
        turn = DrainTurn(state, self.fleet.look_now).held
        table_orders = TableOrders(self._take_table, self.cycle.approve_more, self.drain.set, turn)
        self.table = TableLoop(state, options.followed(spec), spec, table_orders)
        lookups = SessionLookups(state, self.host).handlers()
        orders = Orders(self.drain.set, self.reload.now, self.fleet.whole, turn, self.table.accept, lookups)
        self.admin = Admin(state, orders)
        self.admin_loop = AdminLoop(state, self.admin, options.run_dir / runfiles.CONTROL)
        self._loaded: tuple[AgentSpec, AgentSpec] | None = None
        state.recall_falls(runfiles.load_falls(options.lasting))
        self.table.start()

    def _callbacks(self) -> Callbacks:
        """The callbacks look up each part when called, because the state exists before the parts."""
        return Callbacks(
            wake_announcer=lambda: self.announcer.poke(),
            wake_cycle=lambda: self.cycle.wake(),
            wake_counters=lambda: self.counters.wake(),
            keep_falls=lambda record: self.kept.keep_falls(record),
            table_status=lambda: self.table.status(),
        )

    def look_again(self, area: Area) -> None:
        """Start a cycle after a kernel report; it reads only the changed areas."""
        if area is Area.LINKS:
            self.link_watch.poke()
        self.cycle.wake(fresh=False)

    async def _look(self, spec: AgentSpec) -> Observation:
        """Observe with a separate host, because the cycle's host caches observations for the present file."""
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

    def _approve(self, change: Plan, everything: bool) -> None:
        self.cycle.approve(change.changes, everything=everything)

    def _take_table(self, spec: AgentSpec, changed: set[Place]) -> None:
        self.state.take_table(spec, changed)

    def _take(self, spec: AgentSpec) -> None:
        """Bring an accepted file into force."""
        if self._loaded is not None and self._loaded[0] is spec:
            # The table may have gone on while the file was judged.
            spec = self.table.take_base(self._loaded[1])
        old = self.state.spec
        self.state.take_file(spec)
        self.journal.change(as_json=spec.log.as_json, level=spec.log.level)
        if spec.bgp != old.bgp:
            self.host.replace(RealHost(spec, notice=self.look_again))
            self.former_paths.leave(last_announced(old.bgp, self.state.speaker.announced or WITHDRAWN))
        if (spec.health, spec.gateway.pool6) != (old.health, old.gateway.pool6):
            self.probes.reopen()
        if (spec.audit, spec.gateway) != (old.audit, old.gateway):
            self.traffic.replace_log(SessionLog(spec, self.state.audit, self.journal, self.state.names.who_was))
        if (spec.fleet, spec.gateway.served) != (old.fleet, old.gateway.served):
            self.fleet.take(spec)
        self.ring.wake()
        self.cycle.wake()
