"""What a name of the differential run may look like."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address
from itertools import pairwise

from .zone import ODD, OTHER, REVERSE, SIGNED, UNKNOWN, UNLOADED, VIP, Furnish, Shape, Spot

HUGE = (2_000_000_000, 2**31 - 1)
SPECIAL = ("0.0.0.0", "0.1.2.3", "127.0.0.1", "169.254.169.254", "224.0.0.1", "239.1.2.3", "240.0.0.1", VIP)
PRIVATE = ("10.1.2.3", "172.16.5.5", "192.168.1.1", "100.64.0.1", "192.0.2.33", "198.18.0.1", "192.0.0.170")
OTHER_TYPES = {
    "MX": f"10 mail.{OTHER}",
    "SRV": f"1 2 443 srv.{OTHER}",
    "CAA": '0 issue "ca.example"',
    "HTTPS": "1 . alpn=h2 ipv4hint=192.0.2.33",
    "SVCB": f"0 svc.{OTHER}",
    "NAPTR": '100 10 "u" "sip" "!^.*$!sip:x@y!" .',
    "HINFO": '"RFC8482" ""',
    "NS": f"ns.{OTHER}",
    "SSHFP": "4 2 123456789abcdef67890123456789abcdef67890123456789abcdef123456789",
    "TLSA": "3 1 1 d2abde240d7cd3ee6b4b28c54df034b97983a1d16e8a410e4561cb106618e971",
    "LOC": "51 30 12.748 N 0 7 39.612 W 0.00m 10m 10m 10m",
    "TYPE65280": "\\# 3 010203",
}


def address(spot: Spot) -> None:
    spot.put("A", *spot.v4(spot.rng.randint(1, 3)))


def real(spot: Spot) -> None:
    spot.put("AAAA", *spot.v6(spot.rng.randint(1, 3)))


def both(spot: Spot) -> None:
    address(spot)
    real(spot)


def text(spot: Spot) -> None:
    spot.put("TXT", '"no address here"')


def nothing(spot: Spot) -> None:
    """NXDOMAIN."""


def non_terminal(spot: Spot) -> None:
    spot.put("A", *spot.v4(), at="deep")


def wildcard(spot: Spot) -> str:
    kind = spot.rng.randrange(3)
    if kind == 0:
        spot.put("AAAA", *spot.v6(), at="*")
    elif kind == 1:
        spot.put("TXT", '"any"', at="*")
    else:
        spot.put("A", *spot.v4(2), at="*")
    return f"some.thing.{spot.name}"


def wildcard_alias(spot: Spot) -> str:
    spot.put("CNAME", f"end.{spot.label}", at="*")
    spot.put("A", *spot.v4(), at="end")
    return f"x.{spot.name}"


def chain(end: Furnish) -> Furnish:
    """One to twelve aliases, then `end`. Long ones are rare: the peers ask for every link anew."""

    def furnish(spot: Spot) -> None:
        length = spot.rng.choices(range(1, 13), (30, 20, 10, 8, 5, 4, 3, 2, 2, 2, 2, 3))[0]
        names = [spot.label, *(f"c{number}.{spot.label}" for number in range(length))]
        lines = spot.book.lines.setdefault(spot.zone, [])
        lines += [f"{here} {spot.rng.choice((5, 30, 300, 7200))} CNAME {there}" for here, there in pairwise(names)]
        end(Spot(spot.book, names[-1], spot.zone, spot.ttl))

    return furnish


def elsewhere(end: Furnish) -> Furnish:
    """An alias into another zone, where `end` is."""

    def furnish(spot: Spot) -> None:
        spot.put("CNAME", f"{spot.label}-there.{OTHER}", ttl=120)
        end(Spot(spot.book, f"{spot.label}-there", OTHER, spot.ttl))

    return furnish


def back_and_forth(spot: Spot) -> None:
    spot.put("CNAME", f"{spot.label}-b.{OTHER}", ttl=120)
    lines = spot.book.lines
    lines.setdefault(OTHER, []).append(f"{spot.label}-b 240 CNAME {spot.label}-c.{spot.zone}")
    address(Spot(spot.book, f"{spot.label}-c", spot.zone, spot.ttl))


def loop(spot: Spot) -> None:
    spot.put("CNAME", f"b.{spot.label}")
    spot.put("CNAME", spot.label, at="b")


def dname(end: Furnish) -> Furnish:
    """A name below a DNAME; `end` is at its target."""

    def furnish(spot: Spot) -> str:
        spot.put("DNAME", f"to.{spot.label}-d", ttl=500)
        end(Spot(spot.book, f"www.to.{spot.label}-d", spot.zone, spot.ttl))
        return f"www.{spot.name}"

    return furnish


def mixed(spot: Spot) -> None:
    spot.put("AAAA", "::ffff:192.0.2.1", *spot.v6(2))
    address(spot)


def excluded(*addresses: str, with_a: bool = True) -> Furnish:
    def furnish(spot: Spot) -> None:
        spot.put("AAAA", *addresses)
        if with_a:
            address(spot)

    return furnish


def special(spot: Spot) -> None:
    spot.put("A", spot.rng.choice(SPECIAL))


def special_and_good(spot: Spot) -> None:
    spot.put("A", spot.rng.choice(SPECIAL), *spot.v4(2))


def private(spot: Spot) -> None:
    spot.put("A", *spot.rng.sample(PRIVATE, 2))


def many(least: int, most: int) -> Furnish:
    def furnish(spot: Spot) -> None:
        spot.put("A", *spot.v4(spot.rng.randint(least, most)))

    return furnish


def with_ttl(*ttls: int) -> Furnish:
    def furnish(spot: Spot) -> None:
        spot.ttl = spot.rng.choice(ttls)
        address(spot)

    return furnish


def odd_bytes(spot: Spot) -> None:
    raw = "".join(f"\\{spot.rng.randrange(256):03d}" for _ in range(6))
    spot.label = f"{raw}{spot.label}"
    address(spot)


def capitals(spot: Spot) -> None:
    spot.label = spot.label.title()
    chain(address)(spot)


def long_name(spot: Spot) -> None:
    """All 255 bytes."""
    room = 253 - len(spot.name)
    labels = []
    while room > 1:
        labels.append("l" * min(63, room - 1))
        room -= len(labels[-1]) + 1
    spot.label = ".".join([*labels, spot.label])
    address(spot)


def of_type(rdtype: str, value: str) -> Furnish:
    def furnish(spot: Spot) -> None:
        spot.put(rdtype, value)
        address(spot)

    return furnish


def reverse(end: Callable[[Spot, str], None]) -> Furnish:
    """The name under ip6.arpa of an address we would have made; `end` furnishes its IPv4's reverse name."""

    def furnish(spot: Spot) -> str:
        ipv4 = IPv4Address(spot.v4()[0])
        end(spot, ".".join(reversed(str(ipv4).split("."))))
        digits = f"2002c6336440{'0' * 12}{int(ipv4):08x}"
        return ".".join(reversed(digits)) + ".ip6.arpa."

    return furnish


def pointer(spot: Spot, label: str) -> None:
    Spot(spot.book, label, REVERSE, spot.ttl).put("PTR", f"host-{spot.label}.{OTHER}")


def classless(spot: Spot, label: str) -> None:
    """A delegation of less than a byte (RFC 2317)."""
    last, rest = label.split(".", 1)
    spot.book.lines.setdefault(REVERSE, []).append(f"{label} 200 CNAME {last}.sub.{rest}")
    Spot(spot.book, f"{last}.sub.{rest}", REVERSE, spot.ttl).put("PTR", f"host-{spot.label}.{OTHER}")


def no_pointer(spot: Spot, label: str) -> None:
    Spot(spot.book, label, REVERSE, spot.ttl).put("TXT", '"no name"')


SIGNED_ENDS: dict[str, Furnish] = {
    "address": address, "real": real, "both": both, "text": text, "nothing": nothing, "wildcard": wildcard,
    "chain": chain(address), "chain_to_nothing": chain(nothing), "chain_to_real": chain(real), "mixed": mixed,
}  # fmt: skip
PTR_ENDS = {"pointer": pointer, "classless": classless, "no_pointer": no_pointer, "no_name": lambda *_: None}
# What the server of the odd zone says to AAAA and to A (odd.py).
ODD_CODES = ("servfail", "refused", "notimp", "formerr", "nodata", "nosoa", "referral", "nxdomain", "yxdomain", "data")

SHAPES: tuple[Shape, ...] = (
    Shape("address", 170, address),
    Shape("real", 50, real),
    Shape("both", 70, both),
    Shape("text", 40, text, rdtype="TXT"),
    Shape("nothing", 70, nothing),
    Shape("non_terminal", 15, non_terminal),
    Shape("wildcard", 40, wildcard),
    Shape("wildcard_alias", 10, wildcard_alias),
    Shape("chain", 100, chain(address)),
    Shape("chain_to_real", 20, chain(real)),
    Shape("chain_to_nodata", 30, chain(text)),
    Shape("chain_to_nothing", 30, chain(nothing)),
    Shape("chain_to_mixed", 10, chain(mixed)),
    Shape("chain_to_special", 10, chain(special)),
    Shape("chain_to_mapped", 10, chain(excluded("::ffff:192.0.2.1"))),
    Shape("other_zone", 30, elsewhere(address)),
    Shape("other_zone_nodata", 10, elsewhere(text)),
    Shape("other_zone_nothing", 10, elsewhere(nothing)),
    Shape("back_and_forth", 10, back_and_forth),
    Shape("loop", 1, loop),
    Shape("dname", 20, dname(address)),
    Shape("dname_to_chain", 10, dname(chain(address))),
    Shape("dname_to_nothing", 5, dname(nothing)),
    Shape("mixed", 25, mixed),
    Shape("mapped_and_a", 20, excluded("::ffff:192.0.2.1")),
    Shape("mapped_only", 10, excluded("::ffff:192.0.2.1", with_a=False)),
    Shape("own_prefix", 10, excluded("2002:c633:6440::102:304")),
    Shape("well_known", 10, excluded("64:ff9b::102:304")),
    Shape("special", 20, special),
    Shape("special_and_good", 10, special_and_good),
    Shape("private", 10, private),
    Shape("many", 10, many(16, 60)),
    Shape("large", 1.5, many(200, 300)),
    Shape("ttl_zero", 10, with_ttl(0)),
    Shape("ttl_huge", 10, with_ttl(*HUGE)),
    Shape("odd_bytes", 20, odd_bytes),
    Shape("capitals", 20, capitals),
    Shape("long_name", 5, long_name),
    Shape("unloaded", 1.5, nothing, zones=(UNLOADED,)),
    Shape("unknown", 1.5, nothing, zones=(UNKNOWN,)),
    *(Shape(f"type_{kind.lower()}", 3, of_type(kind, value), rdtype=kind) for kind, value in OTHER_TYPES.items()),
    *(Shape(f"signed_{title}", 5, end, zones=(SIGNED,)) for title, end in SIGNED_ENDS.items()),
    *(Shape(f"reverse_{title}", 12, reverse(end), rdtype="PTR") for title, end in PTR_ENDS.items()),
    *(Shape(f"{aaaa}_{a}", 0.1, nothing, zones=(ODD,)) for aaaa in ODD_CODES for a in ODD_CODES),
)  # fmt: skip
