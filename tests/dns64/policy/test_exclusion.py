"""Real AAAA that count as absent (RFC 6147 section 5.1.4)."""

# ruff: noqa: E501 - a row stays on one line

from typing import NamedTuple

import pytest

from ..world import Outcome, answer, nodata, query, run
from ..world import rules as changed_rules

A33 = answer("w 3600 A 192.0.2.33")
S33 = "2002:c633:6440::c000:221"


class Row(NamedTuple):
    id: str
    aaaa: str
    a: Outcome | None
    lines: list[str]


ROWS = [
    Row("c086-only-excluded", "w 700 AAAA ::ffff:192.0.2.1", A33, [f"w 600 AAAA {S33}"]),
    Row("c059-D10-ttl-of-the-excluded", "w 50 AAAA ::ffff:1.2.3.4", A33, [f"w 50 AAAA {S33}"]),
    Row("c088-mixed", "w 60 AAAA ::ffff:1.2.3.4\nw 60 AAAA 2001:db8::4", None, ["w 60 AAAA 2001:db8::4"]),
    Row("c090-well-known-prefix", "w 60 AAAA 64:ff9b::1", A33, [f"w 60 AAAA {S33}"]),
    Row("c091-D11-own-prefix", "w 60 AAAA 2002:c633:6440::102:304", A33, [f"w 60 AAAA {S33}"]),
    Row("c092-excluded-and-unmappable", "w 60 AAAA ::ffff:1.2.3.4", answer("w 60 A 127.0.0.1"), []),
    Row("c094-excluded-via-cname", "w 60 CNAME x\nx 60 AAAA ::ffff:1.2.3.4", nodata(text="w 60 CNAME x"), ["w 60 CNAME x"]),
    Row(
        "c097-borders",
        "w 60 AAAA ::ffff:0.0.0.0\nw 60 AAAA ::ffff:255.255.255.255\nw 60 AAAA ::fffe:ffff:ffff\nw 60 AAAA ::1:0:0:0",
        None,
        ["w 60 AAAA ::fffe:ffff:ffff", "w 60 AAAA ::1:0:0:0"],
    ),
    Row("c098-ipv4-compatible", "w 60 AAAA ::1.2.3.4", None, ["w 60 AAAA ::1.2.3.4"]),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=[row.id for row in ROWS])
def test_exclusion(row: Row) -> None:
    upstream: dict[str, Outcome] = {"w AAAA": answer(row.aaaa), **({"w A": row.a} if row.a is not None else {})}
    got = run(query("w", "AAAA"), upstream)
    assert (got.rcode, got.lines) == ("NOERROR", row.lines)
    assert got.asked == list(upstream)


def test_an_empty_exclusion_list_excludes_nothing_foreign_and_synthesis_goes_on() -> None:
    empty = changed_rules(exclude_aaaa=())
    mapped = "w 60 AAAA ::ffff:1.2.3.4"
    assert run(query("w", "AAAA"), {"w AAAA": answer(mapped)}, empty).lines == [mapped]
    assert run(query("w", "AAAA"), {"w AAAA": nodata(), "w A": A33}, empty).rule == "synthesised-nodata"


def test_a_filtered_rrset_loses_signature_and_ad() -> None:
    signed = (
        "w 60 AAAA ::ffff:1.2.3.4\nw 60 AAAA 2001:db8::4\n"
        "w 60 RRSIG AAAA 8 3 60 20300101000000 20200101000000 1 t.example. AAAA"
    )
    got = run(query("w", "AAAA", do=True), {"w AAAA": answer(signed, ad=True)})
    assert got.lines == ["w 60 AAAA 2001:db8::4"]
    assert not got.reply.ad


def test_the_additional_section_is_not_filtered() -> None:
    reply = answer("w 60 MX 10 m", "", "m 60 AAAA ::ffff:1.2.3.4")
    assert run(query("w", "MX"), {"w MX": reply}).section("additional") == ["m 60 AAAA ::ffff:1.2.3.4"]


def test_the_name_of_an_excluded_aaaa_exists_whatever_the_a_says() -> None:
    upstream = {"w AAAA": answer("w 60 AAAA ::ffff:1.2.3.4"), "w A": nodata(100, 100)}
    got = run(query("w", "AAAA"), upstream)
    assert (got.rcode, got.lines) == ("NOERROR", [])
    assert got.section("authority") == ["@ 100 SOA ns h 1 3600 600 86400 100"]
