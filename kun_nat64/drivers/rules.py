"""ip6tables and iptables: looked at with -save, changed with -restore (all rules of a table at once)."""

from collections.abc import Sequence

from kun_nat64.drivers.command import Runner, failed
from kun_nat64.drivers.output_parsing import understanding
from kun_nat64.formats.iptables import parse_save, restore_input
from kun_nat64.model.facts import Facts, Family, RuleCounter
from kun_nat64.model.plan import Change

# Another tool may hold the lock that iptables takes; this is how long to wait for it, in seconds.
LOCK_WAIT = "3"


class RulesDriver:
    """`counters`: of our rules, as the last look found them. `tells_changes`: the kernel sends notices of changes."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self.counters: tuple[RuleCounter, ...] = ()
        self.tells_changes = False

    async def observe(self) -> Facts:
        """Our chains and our marked rules, of both families. Raises DriverError."""
        facts: Facts = frozenset()
        counters: tuple[RuleCounter, ...] = ()
        nftables = True
        for family in Family:
            argv = (f"{family.command}-save", "-c")
            outcome = await self._runner.run(*argv)
            if outcome.exit_code != 0:
                raise failed(argv, outcome)
            with understanding(*argv):
                saved = parse_save(outcome.stdout, family)
            facts, counters = facts | saved.facts, counters + saved.counters
            nftables = nftables and saved.nftables
        self.counters, self.tells_changes = counters, nftables
        return facts

    async def apply(self, changes: Sequence[Change]) -> None:
        for family, document in restore_input(changes).items():
            argv = (f"{family.command}-restore", "--noflush", "--wait", LOCK_WAIT)
            outcome = await self._runner.run(*argv, stdin=document)
            if outcome.exit_code != 0:
                raise failed(argv, outcome)
