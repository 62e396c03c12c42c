"""The names of the differential run: zone files for a real authority, and what is asked about them.

Everything follows from one seed, so that a difference found once is found again.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address

VIP = "198.51.100.64"
PREFIX = "2002:c633:6440::/96"
PREFIX_BYTES = bytes.fromhex("2002c6336440000000000000")
NAMES = 20_000


@dataclass(frozen=True, slots=True)
class Soa:
    """How long a zone's denials live: TTL of its SOA record, and MINIMUM. Seconds."""

    ttl: int
    minimum: int

    @property
    def lifetime_s(self) -> int:
        return min(self.ttl, self.minimum)


PLAIN_ZONES = {
    "alike.diff.example.": Soa(300, 300),
    "low-ttl.diff.example.": Soa(60, 3600),
    "low-minimum.diff.example.": Soa(3600, 20),
    "zero.diff.example.": Soa(0, 0),
    "day.diff.example.": Soa(86400, 86400),
}
SIGNED, OTHER, REVERSE = "signed.diff.example.", "other.diff.example.", "in-addr.arpa."
UNLOADED, UNKNOWN, ODD = "unloaded.diff.example.", "unknown.diff.example.", "odd.diff.example."
ZONES = {**PLAIN_ZONES, SIGNED: Soa(300, 300), OTHER: Soa(600, 120), REVERSE: Soa(900, 400)}


@dataclass(frozen=True, slots=True)
class Asked:
    """One question to all three servers."""

    shape: str
    name: str
    rdtype: str = "AAAA"
    do: bool = False
    cd: bool = False
    edns: bool = True


@dataclass(slots=True)
class Book:
    """Zone files as they grow, and the questions about them."""

    rng: random.Random
    lines: dict[str, list[str]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    ttls: dict[str, int] = field(default_factory=dict)
    serial: int = 0

    def text(self, zone: str) -> str:
        soa = ZONES[zone]
        head = [
            f"$ORIGIN {zone}",
            f"@ {soa.ttl} SOA ns.{OTHER} host.{OTHER} 1 3600 600 86400 {soa.minimum}",
            f"@ 3600 NS ns.{OTHER}",
        ]
        return "\n".join([*head, *self.lines.get(zone, ()), ""])


@dataclass(slots=True)
class Spot:
    """A fresh name in a zone, for one shape to furnish."""

    book: Book
    label: str
    zone: str
    ttl: int

    @property
    def rng(self) -> random.Random:
        return self.book.rng

    @property
    def name(self) -> str:
        return f"{self.label}.{self.zone}"

    def put(self, rdtype: str, *values: str, at: str = "", zone: str = "", ttl: int | None = None) -> None:
        """Records at this name, or at `at`.`label`, in this zone or another."""
        owner = f"{at}.{self.label}" if at else self.label
        lines = self.book.lines.setdefault(zone or self.zone, [])
        lines += [f"{owner} {self.ttl if ttl is None else ttl} {rdtype} {value}" for value in values]

    def v4(self, count: int = 1) -> list[str]:
        """Different addresses that anybody would embed."""
        base = 0x05000000 + self.rng.randrange(0x40000000)
        return [str(IPv4Address(base + number)) for number in range(count)]

    def v6(self, count: int = 1) -> list[str]:
        return [f"2001:db8:{self.rng.randrange(0xFFFF):x}::{number + 1:x}" for number in range(count)]


Furnish = Callable[[Spot], "str | None"]
"""Puts the records of a shape; the name to ask, if it is not the spot's own."""


@dataclass(frozen=True, slots=True)
class Shape:
    """`share`: of 1000 names. `rdtype`: asked beside AAAA."""

    title: str
    share: float
    furnish: Furnish
    zones: tuple[str, ...] = tuple(PLAIN_ZONES)
    rdtype: str = "A"


TTLS = (1, 5, 60, 61, 299, 300, 301, 600, 601, 3600, 86400, 604800)


def furnished(shape: Shape, book: Book, number: int) -> Spot:
    rng = book.rng
    label = f"{shape.title.replace('_', '-')}-{number}"
    return Spot(book, label, shape.zones[number % len(shape.zones)], rng.choice(TTLS))


def build(shapes: tuple[Shape, ...], names: int = NAMES, seed: int = 6147) -> Book:
    """All zones and all questions; `names` of them, shared out among the shapes."""
    book = Book(random.Random(seed))
    total = sum(shape.share for shape in shapes)
    for shape in shapes:
        for number in range(max(1, round(names * shape.share / total))):
            spot = furnished(shape, book, number)
            asked = shape.furnish(spot) or spot.name
            book.ttls[asked.lower()] = spot.ttl
            book.asked += list(_questions(shape, asked, book.rng))
    return book


def _questions(shape: Shape, name: str, rng: random.Random) -> list[Asked]:
    """Mostly AAAA; for some names other types and bits, ANY first, while no cache knows the name."""
    title, questions = shape.title, []
    signed = SIGNED in shape.zones
    if rng.random() < 0.03:
        questions.append(Asked(title, name, "ANY"))
    questions.append(Asked(title, _mixed(name, rng) if rng.random() < 0.1 else name, edns=rng.random() < 0.9))
    if shape.rdtype != "A" or rng.random() < 0.2:
        questions.append(Asked(title, name, shape.rdtype))
    if signed or rng.random() < 0.08:
        questions.append(Asked(title, name, do=True))
    if rng.random() < (0.3 if signed else 0.05):
        questions.append(Asked(title, name, cd=True, do=rng.random() < 0.5))
    if rng.random() < 0.03:
        questions.append(Asked(title, name, "TXT"))
    return questions


def _mixed(name: str, rng: random.Random) -> str:
    if "\\" in name:
        return name
    return "".join(char.upper() if rng.random() < 0.5 else char for char in name)
