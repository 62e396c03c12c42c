"""The table that resets orphaned TCP flows, through `nft`."""

from kun_nat64.drivers.command import Runner, failed
from kun_nat64.drivers.jool import JoolDriver
from kun_nat64.drivers.output_parsing import understanding
from kun_nat64.formats import nftables
from kun_nat64.model.errors import DriverError, FailureKind
from kun_nat64.model.facts import MARK, Facts, OrphanReset, Protocol
from kun_nat64.model.plan import Action, Change
from kun_nat64.model.resetfacts import FlowWatch

# Terse: without the elements of sets, of which there may be a quarter of a million.
LIST = ("nft", "-t", "-j", "list", "table", "ip6", MARK)
LOAD = ("nft", "-f", "-")
DEADLINE_S = 20.0
SET_IS_FULL = "Too many open files in system"  # ENFILE, in the words of nft


class ResetsDriver:
    """`given`: RSTs since the table was made, as the last look found them; None where there is no table."""

    def __init__(self, runner: Runner, jool: JoolDriver) -> None:
        self._runner, self._jool = runner, jool
        self.given: int | None = None
        self._doubted = False

    def doubt(self) -> None:
        """Flows of the account may be Jool's no more: it is made anew, from those that Jool has then."""
        self._doubted = True

    async def observe(self, watch: FlowWatch | None) -> Facts:
        """`watch` None: nothing is wanted, and a machine without `nft` has nothing of ours. Raises DriverError."""
        try:
            outcome = await self._runner.run(*LIST)
        except DriverError as error:
            if watch is None and error.kind is FailureKind.MISSING_TOOL:
                return frozenset()
            raise
        if outcome.exit_code != 0:
            if "No such file" not in outcome.stderr:
                raise failed(LIST, outcome)
            self.given = None
            return frozenset()
        with understanding(*LIST):
            listed = nftables.parse(outcome.stdout, watch)
        self.given = listed.resets
        if self._doubted and listed.fact.watch == watch:
            return frozenset({OrphanReset("of an earlier translator", armed=listed.fact.armed)})
        return frozenset({listed.fact})

    async def apply(self, change: Change) -> None:
        """The table learns before it resets: new flows from its first moment on, older ones from Jool's sessions.

        Where those are more than it has room for, it does not reset.
        """
        assert isinstance(change.fact, OrphanReset)
        if change.action is Action.REMOVE:
            await self._load(nftables.removal())
            return
        watch = change.fact.watch
        assert isinstance(watch, FlowWatch)
        await self._load(nftables.table(watch))
        sessions = await self._jool.sessions(watch.instance, Protocol.TCP)
        for document in nftables.seeds(sessions, watch):
            try:
                await self._load(document)
            except DriverError as error:
                if SET_IS_FULL not in error.stderr:
                    raise
                await self._load(nftables.gap())
                break
        await self._load(nftables.armed(watch))
        self._doubted = False

    async def _load(self, document: str) -> None:
        outcome = await self._runner.run(*LOAD, stdin=document, deadline_s=DEADLINE_S)
        if outcome.exit_code != 0:
            raise failed(LOAD, outcome)
