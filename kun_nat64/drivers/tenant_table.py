"""The nftables table of tenants, through `nft`."""

import asyncio

from kun_nat64.drivers.command import Runner, failed
from kun_nat64.drivers.output_parsing import understanding
from kun_nat64.formats import tenanttable
from kun_nat64.model.errors import DriverError, FailureKind
from kun_nat64.model.facts import Facts, TenantTable
from kun_nat64.model.plan import Action, Change
from kun_nat64.model.tenantfacts import TenantRules

LIST = ("nft", "-j", "list", "table", *tenanttable.TABLE.split())
LOAD = ("nft", "-f", "-")
# Time for a hundred thousand networks on a busy machine.
DEADLINE_S = 30.0
# Bytes that are read in a few milliseconds.
LITTLE = 100_000


class TenantTableDriver:
    """`refused`: packets of denied tenants, as the last look found them; None where there is no table."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self.refused: int | None = None

    async def observe(self, rules: TenantRules | None) -> Facts:
        """The table with all its elements. `rules` None: nobody asks for it. Raises DriverError."""
        if rules is None:
            return frozenset()
        try:
            listed = await self._runner.run(*LIST, deadline_s=DEADLINE_S)
        except DriverError as error:
            if error.kind is FailureKind.MISSING_TOOL:
                return frozenset()
            raise
        if listed.exit_code != 0:
            if "No such file" not in listed.stderr:
                raise failed(LIST, listed)
            self.refused = None
            return frozenset()
        with understanding(*LIST):
            text = listed.stdout
            if len(text) > LITTLE:
                found = await asyncio.to_thread(tenanttable.parse, text, rules)
            else:
                found = tenanttable.parse(text, rules)
            self.refused = tenanttable.refused(text)
        return frozenset({found})

    async def apply(self, change: Change) -> None:
        """Where the rules stay, only elements come and go. Raises DriverError."""
        outcome = await self._runner.run(*LOAD, stdin=_document(change), deadline_s=DEADLINE_S)
        if outcome.exit_code != 0:
            raise failed(LOAD, outcome)


def _document(change: Change) -> str:
    table, before = change.fact, change.before
    assert isinstance(table, TenantTable)
    if change.action is Action.REMOVE:
        return tenanttable.removal()
    if isinstance(before, TenantTable) and not before.amiss and _same_rules(before, table):
        return tenanttable.difference(before, table)
    return tenanttable.document(table)


def _same_rules(one: TenantTable, other: TenantTable) -> bool:
    return (one.rules, one.lengths) == (other.rules, other.lengths)
