"""Special-use names and class CHAOS beyond what the conformance rows see."""

import dns.rdata
import dns.rdataclass
import pytest

from kun_dns64.model.question import CLASS_CH
from kun_dns64.model.special import ALL_SPECIAL_NAMES, SpecialName
from kun_dns64.policy.special_names import TABLE

from ..world import answer, nodata, query, run
from ..world import rules as changed_rules

OFFERED = b"\x00\x01\x03dns\x07example\x00\x00\x01\x00\x04\x03dot\x00\x03\x00\x02\x22\x95"


def test_every_name_has_its_answer_and_its_rfc() -> None:
    assert {special.name for special in TABLE} == ALL_SPECIAL_NAMES
    assert all(special.source.startswith("RFC ") for special in TABLE)


@pytest.mark.parametrize("name", SpecialName)
def test_each_name_can_be_switched_off_alone(name: SpecialName) -> None:
    apex = {"private-reverse": "10.in-addr.arpa"}.get(name, name.value)
    under = changed_rules(special_names=ALL_SPECIAL_NAMES - {name})
    owner = f"x.{apex}."
    assert run(query(owner, "TXT"), {f"{owner} TXT": nodata()}, under).asked == [f"{owner} TXT"]
    assert run(query(owner, "TXT"), {}, changed_rules()).rule == "local-special"


def test_clients_are_told_of_our_own_encrypted_service() -> None:
    got = run(query("_dns.resolver.arpa.", "SVCB"), {}, changed_rules(designated=(OFFERED,)))
    text = dns.rdata.from_wire(dns.rdataclass.IN, 64, OFFERED, 0, len(OFFERED)).to_text()
    assert text == '1 dns.example. alpn="dot" port="8853"'
    assert [line.split(None, 3)[3] for line in got.lines] == [text]
    assert run(query("_dns.resolver.arpa.", "A"), {}, changed_rules(designated=(OFFERED,))).lines == []


def test_the_root_and_names_without_a_last_label_of_theirs_pass() -> None:
    assert run(query(".", "TXT"), {". TXT": nodata()}).rule == "forwarded"


@pytest.mark.parametrize("name", ["version.bind.", "w", "."])
def test_no_question_of_class_chaos_leaves(name: str) -> None:
    got = run(query(name, "TXT", qclass=CLASS_CH), {})
    assert (got.rcode, got.rule, got.edes) == ("REFUSED", "local-chaos", [18])


def test_an_alias_into_a_special_name_is_not_followed_upstream() -> None:
    got = run(query("w", "A"), {"w A": answer("w 30 CNAME x.onion.")})
    assert (got.rcode, got.lines, got.asked) == ("NXDOMAIN", ["w 30 CNAME x.onion."], ["w A"])
