"""Whatever a tool prints, or another gateway answers: a value, or the error of that format, and never another one."""

import json
from collections.abc import Callable
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun_base.prefix import sixtofour_prefix
from kun_nat64.formats import birdreply, frrjson, gobgpapi, iptables, joolcsv, memberstatus, nftables
from kun_nat64.formats.table import FormatError
from kun_nat64.model.facts import Family
from kun_nat64.model.resetfacts import FlowWatch
from kun_nat64.policy.blocking_rules import answer_obstructions, tunnel_obstructions
from tests.nat64.formats.golden import golden

VIP = IPv4Address("203.0.113.1")
WATCH = FlowWatch("kun", sixtofour_prefix(VIP), 7260, 300, 1024)
MEMBER = {
    "name": "gw2",
    "announcement": {"standing": "full", "since_s": 5.0, "wants_back": False},
    "health": {"verdict": "healthy", "targets": [{"target": "icmp://198.51.100.81", "outcome": "ok"}]},
    "traffic": {"tcp_sessions": 3},
}
Parser = Callable[[str], object]
PARSERS: dict[str, tuple[Parser, tuple[str, ...]]] = {
    "globals": (joolcsv.parse_globals, ("jool-4.1.9-global.csv",)),
    "pool4": (lambda text: joolcsv.parse_pool4(text, "kun"), ("jool-4.1.9-pool4-tcp.csv",)),
    "bib": (joolcsv.parse_bib, ("jool-4.1.9-bib-udp.csv", "jool-4.1.9-bib-tcp.csv")),
    "sessions": (joolcsv.parse_sessions, ("jool-4.1.9-session-tcp.csv", "jool-4.1.9-session-udp.csv")),
    "stats": (joolcsv.parse_stats, ("jool-4.1.9-stats.csv",)),
    "answers of vtysh": (frrjson.documents, ("vtysh-8.4.4-neighbours.json", "vtysh-10.3-vip.json")),
    "an answer of BIRD": (lambda text: birdreply.read_answer(text.splitlines()), ("bird-2.17.6-protocols.txt",)),
    "rules": (
        lambda text: iptables.parse_save(text, Family.IPV6),
        ("iptables-1.8.9-nft-ip6tables-save.txt", "iptables-1.8.9-legacy-ip6tables-save.txt"),
    ),
    "obstructions": (
        lambda text: (tunnel_obstructions(text, VIP), answer_obstructions(text)),
        ("iptables-1.8.9-nft-iptables-save.txt",),
    ),
    "resets": (lambda text: nftables.parse(text, WATCH), ("nft-1.0.6-orphan-reset.json",)),
    "member": (lambda text: _member(text), ()),
}
# What stands in real output, and what may stand in its place one day.
STRANGE = (
    "-1", "0", "1e999", "-1e999", "NaN", "Infinity", "nan", "99999999999999999999", "9" * 5000, "²", "٣", "1_0", "true",
    "null", "[]", "{}", '""', "\x00", "\u2028", '"', "'", "[" * 3000, '{"a":' * 3000, "-j", "! -d", "-d 1.2.3.4/99",
)  # fmt: skip
RULES = "*filter\n:INPUT DROP [0:0]\n-A INPUT -d 203.0.113.1/32 -p 41 -j ACCEPT\nCOMMIT\n"


def _member(text: str) -> object:
    """As drivers/fleet.py reads it."""
    try:
        return memberstatus.read(text.encode(errors="replace"), "http://10.2.2.2:9465", seen_at=1.0)
    except ValueError as error:
        raise FormatError("a member", str(error)) from error


def samples(name: str) -> list[str]:
    extra = {"member": [json.dumps(MEMBER)], "obstructions": [RULES]}
    return [golden(file) for file in PARSERS[name][1]] + extra.get(name, [])


@pytest.mark.parametrize("name", PARSERS)
@given(data=st.data())
def test_real_output_that_was_damaged_is_read_or_refused(name: str, data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(samples(name)))
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        length = data.draw(st.integers(0, 12))
        text = text[:start] + data.draw(st.sampled_from(STRANGE) | st.text(max_size=6)) + text[start + length :]
    _tried(name, text)


@pytest.mark.parametrize("name", PARSERS)
@pytest.mark.parametrize("strange", STRANGE, ids=lambda text: ascii(text)[:12])
def test_no_number_of_real_output_may_be_replaced_by_something_that_ends_the_agent(name: str, strange: str) -> None:
    for text in samples(name):
        begin = 0
        for place, sign in enumerate(text):
            if sign in ",:| []{}\n":
                if text[begin:place].strip('"').isdigit():
                    _tried(name, text[:begin] + strange + text[place:])
                begin = place + 1


@pytest.mark.parametrize("name", PARSERS)
@given(text=st.text(max_size=300))
def test_text_of_no_kind_is_read_or_refused(name: str, text: str) -> None:
    _tried(name, text)


@given(data=st.binary(max_size=200))
def test_bytes_of_no_kind_are_read_or_refused(data: bytes) -> None:
    for dialect in (gobgpapi.V3, gobgpapi.V4):
        for read in (lambda: gobgpapi.read_paths(dialect, data, "10.2.1.2"), lambda: gobgpapi.read_peer(data)):  # noqa: B023
            try:
                read()
            except FormatError:
                continue


def _tried(name: str, text: str) -> None:
    try:
        PARSERS[name][0](text)
    except FormatError:
        return


CUT = {
    "pool4 in its last number": ("pool4", "Mark,Protocol,Address,Min port,Max port\n0,TCP,192.0.2.11,20000,600"),
    "rules before the end of a table": ("rules", "*mangle\n:PREROUTING ACCEPT [0:0]\n"),
    "rules of the first table": ("rules", "*mangle\n:PREROUTING ACCEPT [0:0]\n*raw\nCOMMIT\n"),
    "answers of vtysh": ("answers of vtysh", '{"10.2.1.1":{"bgpState":"Established"'),
}


@pytest.mark.parametrize(("name", "text"), CUT.values(), ids=CUT)
def test_output_that_was_cut_is_not_taken_for_less(name: str, text: str) -> None:
    with pytest.raises(FormatError):
        PARSERS[name][0](text)


WRONG = {
    "a port below zero": ("bib", "TCP,2002:a01::1,-1,192.0.2.11,5,0"),
    "a port beyond the last": ("bib", "TCP,2002:a01::1,5,192.0.2.11,65536,0"),
    "ports the wrong way round": ("pool4", "0,TCP,192.0.2.11,60000,20000"),
    "a time that is no number": ("sessions", "UDP,2002:a01::1,5,2002:cb00:7101::1,5,192.0.2.11,5,198.51.100.1,5,nan"),
    "a time without end": ("sessions", "UDP,2002:a01::1,5,2002:cb00:7101::1,5,192.0.2.11,5,198.51.100.1,5,inf"),
    "a time in the past": ("sessions", "UDP,2002:a01::1,5,2002:cb00:7101::1,5,192.0.2.11,5,198.51.100.1,5,-5:00"),
}
HEADERS = {
    "bib": joolcsv.BINDING_COLUMNS,
    "sessions": joolcsv.SESSION_COLUMNS,
    "pool4": ("Mark", "Protocol", "Address", "Min port", "Max port"),
}


@pytest.mark.parametrize(("name", "row"), WRONG.values(), ids=WRONG)
def test_numbers_that_nothing_can_have_are_refused(name: str, row: str) -> None:
    with pytest.raises(FormatError):
        PARSERS[name][0](f"{','.join(HEADERS[name])}\n{row}\n")


def test_warnings_before_the_table_are_passed_over() -> None:
    text = golden("jool-4.1.9-global.csv")
    warned = f"Warning: module 4.1.15, this command 4.1.9, differ\n\n{text}"
    assert joolcsv.parse_globals(warned) == joolcsv.parse_globals(text)
