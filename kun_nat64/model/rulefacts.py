"""Facts about ip6tables and iptables: our own chains, and our marked rules in the built-in chains."""

from dataclasses import dataclass
from enum import StrEnum

from kun_nat64.model.area import Area, Key

MARK = "kun-nat64"


class Family(StrEnum):
    IPV4 = "ipv4"
    IPV6 = "ipv6"

    @property
    def command(self) -> str:
        return "iptables" if self is Family.IPV4 else "ip6tables"


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain that is ours as a whole; `rules` in order, in the words of iptables-save without `-A NAME`."""

    family: Family
    table: str
    name: str
    rules: tuple[str, ...]

    @property
    def area(self) -> Area:
        return Area.RULES

    @property
    def key(self) -> Key:
        return ("chain", self.family, self.table, self.name)

    @property
    def inside(self) -> Key | None:
        return None

    def __str__(self) -> str:
        return f"{self.family.command} -t {self.table} chain {self.name}: {'; '.join(self.rules) or 'empty'}"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule with our comment in a built-in chain; `spec` in the words of iptables-save without `-A CHAIN`.

    `shadowed`: a rule of somebody else stands before it and ends the chain for some packets.
    """

    family: Family
    table: str
    chain: str
    spec: str
    shadowed: bool = False

    @property
    def area(self) -> Area:
        return Area.RULES

    @property
    def key(self) -> Key:
        return ("rule", self.family, self.table, self.chain, self.spec)

    @property
    def inside(self) -> Key | None:
        return None

    def __str__(self) -> str:
        hidden = " (behind a foreign rule)" if self.shadowed else ""
        return f"{self.family.command} -t {self.table} -A {self.chain} {self.spec}{hidden}"


@dataclass(frozen=True, slots=True)
class RuleCounter:
    """Packets and bytes that a rule of ours has met since it was made."""

    family: Family
    table: str
    chain: str
    spec: str
    packets: int
    byte_count: int
