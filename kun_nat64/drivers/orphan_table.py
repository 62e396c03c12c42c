"""The table that resets orphaned TCP flows, through `nft`."""

from collections.abc import Iterable, Iterator

from kun_nat64.drivers.command import Runner, failed
from kun_nat64.drivers.jool import JoolDriver
from kun_nat64.drivers.output_parsing import understanding
from kun_nat64.formats import flow_elements, nftables, ring_rules
from kun_nat64.model.errors import DriverError, FailureKind
from kun_nat64.model.facts import MARK, Facts, OrphanReset, Protocol
from kun_nat64.model.plan import Action, Change
from kun_nat64.model.resetfacts import FlowWatch
from kun_nat64.model.ringfacts import RingCounts, RingStep

# Terse: without the elements of sets, of which there may be a quarter of a million.
LIST = ("nft", "-t", "-j", "list", "table", "ip6", MARK)
BORROWED = ("nft", "-j", "list", "set", "ip6", MARK, "borrowed")
LOAD = ("nft", "-f", "-")
DEADLINE_S = 20.0
SET_IS_FULL = "Too many open files in system"  # ENFILE, in the words of nft


class ResetsDriver:
    """`given`: RSTs since the table was made, as the last look found them; None where there is no table.

    `ring`: packets of the ring, likewise. `too_many`: packets of clients that began too many flows.
    """

    def __init__(self, runner: Runner, jool: JoolDriver) -> None:
        self._runner, self._jool = runner, jool
        self.given: int | None = None
        self.ring: RingCounts | None = None
        self.too_many: int | None = None
        self._watch: FlowWatch | None = None
        self._doubted = False

    def doubt(self) -> None:
        """Flows of the account may be Jool's no more: it is made anew, from those that Jool has then."""
        self._doubted = True

    def packets(self) -> Iterator[tuple[str, str, int]]:
        """Table, chain, packets dropped there."""
        if self.too_many is not None:
            yield nftables.TABLE, nftables.FRESH, self.too_many

    async def observe(self, watch: FlowWatch | None) -> Facts:
        """`watch` None: nothing is wanted, and a machine without `nft` has nothing of ours. Raises DriverError."""
        self._watch = watch
        try:
            outcome = await self._runner.run(*LIST)
        except DriverError as error:
            if watch is None and error.kind is FailureKind.MISSING_TOOL:
                return frozenset()
            raise
        if outcome.exit_code != 0:
            if "No such file" not in outcome.stderr:
                raise failed(LIST, outcome)
            self.given = self.ring = self.too_many = None
            return frozenset()
        with understanding(*LIST):
            listed = nftables.parse(outcome.stdout, watch)
        self.given, self.ring, self.too_many = listed.resets, listed.ring, listed.too_many
        step: Facts = frozenset() if listed.step is None else frozenset({listed.step})
        if self._doubted and listed.fact.watch == watch:
            return frozenset({OrphanReset("of an earlier translator", armed=listed.fact.armed)}) | step
        return frozenset({listed.fact}) | step

    async def apply(self, change: Change) -> None:
        """The table learns before it resets: new flows from its first moment on, older ones from Jool's sessions.

        Where those are more than it has room for, it does not reset.
        """
        if isinstance(change.fact, RingStep):
            # It goes with the table.
            if change.action is not Action.REMOVE and self._watch is not None:
                await self._load(ring_rules.step(self._watch, change.fact))
            return
        assert isinstance(change.fact, OrphanReset)
        if change.action is Action.REMOVE:
            await self._load(nftables.removal())
            return
        watch = change.fact.watch
        assert isinstance(watch, FlowWatch)
        await self._load(nftables.table(watch))
        sessions = await self._jool.sessions(watch.instance, Protocol.TCP)
        await self._seed(flow_elements.seeds(sessions, watch), Protocol.TCP)
        if watch.ring_flows_s:
            datagrams = await self._jool.sessions(watch.instance, Protocol.UDP)
            await self._seed(flow_elements.datagram_seeds(datagrams, watch), Protocol.UDP)
        await self._load(nftables.armed(watch))
        self._doubted = False

    async def _seed(self, documents: Iterable[str], protocol: Protocol) -> None:
        for document in documents:
            try:
                await self._load(document)
            except DriverError as error:
                if SET_IS_FULL not in error.stderr:
                    raise
                await self._load(flow_elements.gap(protocol))
                break

    async def borrowed(self) -> int:
        """TCP flows that came by the ring within the last minute. Raises DriverError."""
        outcome = await self._runner.run(*BORROWED)
        if outcome.exit_code != 0:
            raise failed(BORROWED, outcome)
        with understanding(*BORROWED):
            return flow_elements.elements(outcome.stdout)

    async def _load(self, document: str) -> None:
        outcome = await self._runner.run(*LOAD, stdin=document, deadline_s=DEADLINE_S)
        if outcome.exit_code != 0:
            raise failed(LOAD, outcome)
