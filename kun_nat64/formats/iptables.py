"""`iptables-save -c` and `iptables-restore`: our chains and rules in the one, changes of them for the other.

Rules are compared as text, in the words of iptables-save; what differs between versions is made the same here.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from kun_nat64.formats.table import FormatError
from kun_nat64.model.facts import MARK, Chain, Facts, Family, Rule, RuleCounter
from kun_nat64.model.plan import Action, Change

OWN_CHAIN = re.compile(r"KUN-NAT64(-[A-Z0-9-]+)?")
LINE = re.compile(r"(?:\[([0-9]{1,20}):([0-9]{1,20})\] )?-A (\S+) ?(.*)")
OUR_COMMENT = re.compile(rf'--comment "?{re.escape(MARK)}"?(?: |$)')
TARGET = re.compile(r"(?:^| )-([jg]) (\S+)")
# Targets after which no rule of the table sees the packet any more, whatever chain they stand in.
ENDING = frozenset(
    (
        "ACCEPT",
        "DROP",
        "REJECT",
        "QUEUE",
        "NFQUEUE",
        "DNAT",
        "SNAT",
        "REDIRECT",
        "MASQUERADE",
        "NETMAP",
        "TPROXY",
        "SYNPROXY",
    )
)
# Protocol numbers get names from /etc/protocols, where the machine has that file.
NAMED_PROTOCOLS = {"-p ipv6 ": "-p 41 ", "-p icmpv6 ": "-p ipv6-icmp "}


@dataclass(frozen=True, slots=True)
class Saved:
    """`nftables`: the backend, which tells of every change; the older one does not."""

    facts: Facts
    counters: tuple[RuleCounter, ...]
    nftables: bool


def canonical_spec(spec: str) -> str:
    """One text for one rule, whichever version printed it."""
    text = re.sub(rf'--comment "{re.escape(MARK)}"', f"--comment {MARK}", spec.strip()) + " "
    for printed, ours in NAMED_PROTOCOLS.items():
        text = text.replace(printed, ours)
    return text.strip()


def parse_save(text: str, family: Family) -> Saved:
    """Our chains and rules, with their counters. Raises FormatError for text that is not of iptables-save."""
    reader = _Reader(family)
    for line in text.splitlines():
        reader.read(line)
    return reader.saved()


class _Reader:
    def __init__(self, family: Family) -> None:
        self._family, self._table = family, ""
        self._chains: dict[tuple[str, str], list[str]] = {}
        self._rules: list[Rule] = []
        self._counters: list[RuleCounter] = []
        # Of somebody else's rules, by table and chain: how each goes on, and where to.
        self._foreign: dict[tuple[str, str], list[tuple[str, str]]] = {}
        self._behind: list[int] = []
        self._nftables = False

    def read(self, line: str) -> None:
        self._nftables = self._nftables or (line.startswith("#") and "(nf_tables)" in line)
        if not line or line.startswith("#"):
            return
        if line == "COMMIT":
            self._table = ""
        elif line.startswith("*"):
            self._end()
            self._table = line[1:].strip()
        elif self._table and line.startswith(":"):
            name = line[1:].split(" ", 1)[0]
            if OWN_CHAIN.fullmatch(name):
                self._chains.setdefault((self._table, name), [])
        elif self._table and (found := LINE.fullmatch(line)):
            self._rule(found[3], found[4], int(found[1] or 0), int(found[2] or 0))
        else:
            raise FormatError("output of iptables-save", line)

    def _rule(self, chain: str, text: str, packets: int, byte_count: int) -> None:
        spec, place = canonical_spec(text), (self._table, chain)
        own = place in self._chains
        if own:
            self._chains[place].append(spec)
        elif OUR_COMMENT.search(spec):
            self._rules.append(Rule(self._family, self._table, chain, spec))
            self._behind.append(len(self._foreign.get(place, ())))
        else:
            target = TARGET.search(spec)
            self._foreign.setdefault(place, []).append((target[1], target[2]) if target else ("", ""))
            return
        self._counters.append(RuleCounter(self._family, self._table, chain, spec, packets, byte_count))

    def _is_shadowed(self, rule: Rule, behind: int) -> bool:
        """Whether one of the first `behind` foreign rules of its chain keeps some packets from it."""
        before = self._foreign.get((rule.table, rule.chain), [])[:behind]
        return any(self._keeps(rule.table, how, target) for how, target in before)

    def _keeps(self, table: str, how: str, target: str) -> bool:
        """In a built-in chain, RETURN ends it, and what is sent away by -g does not come back."""
        return target == "RETURN" or self._can_end(table, target, set()) or (how == "g" and target != "")

    def _can_end(self, table: str, target: str, seen: set[str]) -> bool:
        """A jump counts as what its chain can do."""
        if target in ENDING:
            return True
        if target in seen:
            return False
        seen.add(target)
        own = (TARGET.search(rule) for rule in self._chains.get((table, target), ()))
        inside = [*self._foreign.get((table, target), ()), *((one[1], one[2]) for one in own if one)]
        return any(self._can_end(table, inner, seen) for _, inner in inside)

    def _end(self) -> None:
        """A table without its last line was cut: rules of ours may have been behind it, and are not missing."""
        if self._table:
            raise FormatError(f"the end of the table {self._table}", "the end of the output")

    def saved(self) -> Saved:
        self._end()
        chains = (Chain(self._family, table, name, tuple(specs)) for (table, name), specs in self._chains.items())
        return Saved(frozenset((*chains, *self._best())), tuple(self._counters), self._nftables)

    def _best(self) -> Iterator[Rule]:
        """A rule that stands there twice counts as where it stands first."""
        seen: set[tuple[str, ...]] = set()
        for rule, behind in zip(self._rules, self._behind, strict=True):
            if rule.key not in seen:
                seen.add(rule.key)
                yield replace(rule, shadowed=self._is_shadowed(rule, behind))


def restore_input(changes: Iterable[Change]) -> dict[Family, str]:
    """What `iptables-restore --noflush` shall read, for each family. A table is changed as a whole or not at all."""
    lines: dict[Family, dict[str, list[str]]] = {}
    for change in changes:
        fact = change.fact
        assert isinstance(fact, Chain | Rule)
        lines.setdefault(fact.family, {}).setdefault(fact.table, []).extend(_commands(change))
    return {family: _document(tables) for family, tables in lines.items()}


def _document(tables: dict[str, list[str]]) -> str:
    parts = []
    for table, commands in sorted(tables.items()):
        # Chains are declared before the rules that may jump to them.
        ordered = sorted(commands, key=lambda line: not line.startswith(":"))
        parts += [f"*{table}", *ordered, "COMMIT"]
    return "\n".join(parts) + "\n"


def _commands(change: Change) -> Iterator[str]:
    match change.fact, change.action:
        case Chain(name=name), Action.REMOVE:
            yield from (f"-F {name}", f"-X {name}")
        case Chain(name=name, rules=rules), _:
            # With --noflush, declaring a chain of ours empties it and leaves all others alone.
            yield f":{name} - [0:0]"
            yield from (f"-A {name} {rule}" for rule in rules)
        case Rule(chain=chain, spec=spec), Action.REMOVE:
            yield f"-D {chain} {spec}"
        case Rule(chain=chain, spec=spec), Action.REPLACE:
            yield from (f"-D {chain} {spec}", f"-I {chain} 1 {spec}")
        case Rule(chain=chain, spec=spec), _:
            yield f"-I {chain} 1 {spec}"
