"""Clients with `filter_a` see no IPv4 address, by whatever type they ask; and learn what does not exist."""

import pytest

from kun_dns64.model.rules import ClientPolicy
from kun_dns64.policy.ipv4_filter import without_hint

from ..world import Outcome, Run, answer, error, lost, nodata, nxdomain, prefix, query, run
from ..world import rules as changed_rules

UNDER = changed_rules(clients=(ClientPolicy("v6", (prefix("2001:db8::/32").network,), filter_a=True),))
A33 = "w 60 A 192.0.2.33"


def asked(rtype: str, said: Outcome, **more: object) -> Run:
    return run(query("w", rtype, **more), {f"w {rtype}": said}, UNDER)


def shown(got: Run) -> str:
    return "\n".join([*got.lines, *got.section("authority"), *got.section("additional")])


def test_a_name_that_does_not_exist_is_nxdomain() -> None:
    got = asked("A", nxdomain())
    assert (got.rcode, got.section("authority")[0].split()[:3]) == ("NXDOMAIN", ["@", "300", "SOA"])


def test_an_a_is_nodata_for_as_long_as_it_lives() -> None:
    got = asked("A", answer("w 30 CNAME x\nx 60 A 192.0.2.33"))
    assert (got.rcode, got.lines, got.edes, got.rule) == ("NOERROR", [], [17], "filtered-a")
    assert got.section("authority")[0].split()[1:3] == ["30", "SOA"]


@pytest.mark.parametrize("outcome", [error(), lost()])
def test_an_error_gives_no_reason_to_give_up(outcome: object) -> None:
    got = asked("A", outcome)
    assert (got.rcode, got.lines, got.edes) == ("NOERROR", [], [17])
    assert got.section("authority")[0].split()[1] == "30"


def test_a_denial_is_passed_on() -> None:
    assert asked("A", nodata()).section("authority")[0].split()[1:3] == ["300", "SOA"]


@pytest.mark.parametrize("qclass", [1, 255])
def test_any_leaves_addresses_out(qclass: int) -> None:
    got = asked("ANY", answer(f"{A33}\nw 60 TXT x\nw 60 AAAA 2001:db8::1"), qclass=qclass)
    assert got.lines == ['w 60 TXT "x"', "w 60 AAAA 2001:db8::1"]


def test_any_of_nothing_but_addresses_is_nodata() -> None:
    got = asked("ANY", answer(A33))
    assert (got.rcode, got.lines, got.edes, got.rule) == ("NOERROR", [], [17], "filtered-a")


def test_class_any_is_no_way_around() -> None:
    assert asked("A", answer(A33), qclass=255).lines == []


@pytest.mark.parametrize("rtype", ["HTTPS", "SVCB"])
@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("1 . ipv4hint=192.0.2.33", "1 ."),
        ("1 . alpn=h2 ipv4hint=192.0.2.33 ipv6hint=2001:db8::1", '1 . alpn="h2" ipv6hint="2001:db8::1"'),
        ("1 . mandatory=ipv4hint ipv4hint=192.0.2.33", "1 ."),
        ("1 . mandatory=alpn,ipv4hint alpn=h2 ipv4hint=192.0.2.33", '1 . mandatory="alpn" alpn="h2"'),
        ("0 x", "0 x"),
    ],
)
def test_service_records_lose_their_ipv4_hints(rtype: str, text: str, want: str) -> None:
    assert asked(rtype, answer(f"w 60 {rtype} {text}")).lines == [f"w 60 {rtype} {want}"]


@pytest.mark.parametrize("rdata", [b"", b"\0", b"\0\1\x05ab", b"\0\1\0\0\4", b"\0\1\0\0\4\0\4\xc0"])
def test_service_data_that_nobody_can_read_is_left_out(rdata: bytes) -> None:
    assert without_hint(rdata) is None


@pytest.mark.parametrize("rtype", ["MX", "SRV", "NS", "HTTPS", "AAAA"])
def test_no_address_stands_beside_an_answer(rtype: str) -> None:
    texts = {"MX": "10 x", "SRV": "0 0 1 x", "NS": "x", "HTTPS": "1 x", "AAAA": "2001:db8::1"}
    got = asked(rtype, answer(f"w 60 {rtype} {texts[rtype]}", "", "x 60 A 192.0.2.33\nx 60 AAAA 2001:db8::2"))
    assert "192.0.2.33" not in shown(got)
    assert "2001:db8::2" in shown(got)


def test_what_is_changed_is_neither_signed_nor_authentic() -> None:
    signature = "w 60 RRSIG HTTPS 8 2 60 20300101000000 20200101000000 1 t.example. AAAA"
    said = answer(f"w 60 HTTPS 1 . ipv4hint=192.0.2.33\n{signature}", ad=True)
    got = asked("HTTPS", said, do=True, ad=True)
    assert got.lines == ["w 60 HTTPS 1 ."]
    assert not got.reply.ad


def test_others_see_everything() -> None:
    got = run(query("w", "ANY"), {"w ANY": answer(A33)}, changed_rules())
    assert got.lines == [A33]
