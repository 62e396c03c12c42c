"""The fact about tenants: a table of nftables that gives packets the marks of their pool4 entries, or refuses them."""

import hashlib
from dataclasses import dataclass
from ipaddress import IPv6Address

from kun_base.prefix import Prefix
from kun_nat64.model.area import Area, Key

# Tenants' marks have "K" as their highest byte; below it is the tenant's own number.
TENANT_MARKS, MARK_NUMBERS = 0x4B000000, 0x00FFFFFF
# Prefix length, network as a number, mark.
Entry = tuple[int, int, int]


def mark_of_tenant(number: int) -> int:
    return TENANT_MARKS | number


def is_tenant_mark(mark: int) -> bool:
    return mark & ~MARK_NUMBERS == TENANT_MARKS


@dataclass(frozen=True, slots=True)
class TenantRules:
    """What the rules are made from: pods' packets come in by `inside` for `pool6`; those of `probe` are nobody's."""

    inside: str
    pool6: Prefix
    probe: IPv6Address

    def digest(self, lengths: tuple[int, ...]) -> str:
        """For the comments of the rules; 12 hex digits."""
        return hashlib.sha256(f"1 {self.inside} {self.pool6} {self.probe} {lengths}".encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class TenantTable:
    """`entries`: which networks get which mark. `lengths`: their prefix lengths, longest first.

    Marks in `denied` are refused, those in `limited` get no new ports, those in `shared` have no pool4 entries of their
    own. `amiss`: what is not as it should be; "": nothing.
    """

    rules: TenantRules
    lengths: tuple[int, ...] = ()
    entries: frozenset[Entry] = frozenset()
    denied: frozenset[int] = frozenset()
    limited: frozenset[int] = frozenset()
    shared: frozenset[int] = frozenset()
    amiss: str = ""

    @property
    def area(self) -> Area:
        return Area.TENANTS

    @property
    def key(self) -> Key:
        return ("tenant-table",)

    @property
    def inside(self) -> Key | None:
        return None

    @property
    def marks(self) -> frozenset[int]:
        """Of tenants that have clients here."""
        return frozenset(mark for _, _, mark in self.entries if mark)

    def __str__(self) -> str:
        if self.amiss:
            return f"nftables table of tenants, amiss: {self.amiss}"
        parts = [f"{len(self.entries)} networks of {len(self.marks)} tenants"]
        sets = (("denied", self.denied), ("at their limit", self.limited), ("without own addresses", self.shared))
        parts += [f"{len(marks)} {words}" for words, marks in sets if marks]
        return f"nftables table of tenants: {', '.join(parts)}, checksum {self.checksum}"

    @property
    def checksum(self) -> str:
        """Of all elements; 8 hex digits, for people to compare."""
        number = 0
        for part in (self.entries, self.denied, self.limited, self.shared):
            number = hash((number, part))
        return f"{number & 0xFFFFFFFF:08x}"
