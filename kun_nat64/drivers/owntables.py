"""Tables of nftables that are ours as a whole, through `nft`."""

from collections.abc import Iterator

from kun_nat64.drivers.command import Runner, failed
from kun_nat64.drivers.output_parsing import understanding
from kun_nat64.formats import owntable
from kun_nat64.model.facts import Fact, Facts, OwnTable
from kun_nat64.model.plan import Action, Change

LOAD = ("nft", "-f", "-")


class OwnTablesDriver:
    """`counted`: packets by table and chain, as the last look found them; chains without a counter are left out."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self.counted: dict[str, dict[str, int]] = {}

    def packets(self) -> Iterator[tuple[str, str, int]]:
        """Table, chain, packets."""
        return ((name, chain, n) for name, by in self.counted.items() for chain, n in by.items())

    async def observe(self, wanted: frozenset[OwnTable]) -> Facts:
        """Those of the wanted ones that are there; one that is not as it should be says so. Raises DriverError."""
        found: set[Fact] = set()
        for table in wanted:
            argv = ("nft", "-t", "-j", "list", "table", *table.name.split())
            listed = await self._runner.run(*argv)
            if listed.exit_code != 0:
                if "No such file" not in listed.stderr:
                    raise failed(argv, listed)
                continue
            with understanding(*argv):
                amiss = owntable.amiss(listed.stdout, table)
                self.counted[table.name] = owntable.packets(listed.stdout)
            found.add(table if not amiss else OwnTable(table.name, table.purpose, (), (), amiss))
        return frozenset(found)

    async def apply(self, change: Change) -> None:
        """Raises DriverError."""
        assert isinstance(change.fact, OwnTable)
        removed = change.action is Action.REMOVE
        document = owntable.removal(change.fact) if removed else owntable.document(change.fact)
        outcome = await self._runner.run(*LOAD, stdin=document)
        if outcome.exit_code != 0:
            raise failed(LOAD, outcome)
