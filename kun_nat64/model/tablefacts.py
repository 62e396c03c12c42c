"""The fact about a table of nftables that is ours as a whole, and holds no state of its own."""

import hashlib
from dataclasses import dataclass

from kun_nat64.model.area import Area, Key


@dataclass(frozen=True, slots=True)
class OwnChain:
    """`hook` as nft writes it after `type filter hook`; `rules` without comments."""

    name: str
    hook: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OwnTable:
    """`name` with its family. `purpose` in words. `sets`: as nft reads them.

    `amiss`: what is not as it should be; "": nothing.
    """

    name: str
    purpose: str
    chains: tuple[OwnChain, ...]
    sets: tuple[str, ...] = ()
    amiss: str = ""

    @property
    def digest(self) -> str:
        """Of all that nft is told: 12 hex digits, for the comments of the rules."""
        return hashlib.sha256(repr((self.name, self.chains, self.sets)).encode()).hexdigest()[:12]

    @property
    def area(self) -> Area:
        return Area.TABLES

    @property
    def key(self) -> Key:
        return ("nft-table", self.name)

    @property
    def inside(self) -> Key | None:
        return None

    def __str__(self) -> str:
        amiss = f", amiss: {self.amiss}" if self.amiss else ""
        return f"nftables table {self.name}, {self.purpose}{amiss}"
