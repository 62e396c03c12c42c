"""Millions of sessions, read with bounded memory."""

import resource
from collections.abc import Iterator
from ipaddress import IPv6Address

import pytest

from kun_nat64.formats import joolcsv, sessionlisting
from kun_nat64.formats.sessionlisting import SessionListing
from kun_nat64.formats.table import FormatError
from kun_nat64.model.spec import Limit
from kun_nat64.policy.limits import limited
from tests.nat64.formats.golden import golden

HEADER = ",".join(joolcsv.SESSION_COLUMNS).encode() + b"\n"
FLOODER, OTHER = IPv6Address("2002:a01:2:1::10"), IPv6Address("2002:a01:3:1::10")


def flood(rows: int, pod: IPv6Address = FLOODER, at_once: int = 1000) -> Iterator[bytes]:
    for start in range(0, rows, at_once):
        numbers = range(start, min(rows, start + at_once))
        yield b"".join(
            b"UDP,%s,%d,2002:cb00:7101::c633:%x,53,192.0.2.11,%d,198.51.%d.%d,53,0:04:59.0\n"
            % (str(pod).encode(), n & 0xFFFF, n >> 16, 20000 + n % 40000, n >> 24, n >> 16 & 255)
            for n in numbers
        )


def test_it_says_what_the_whole_text_says_however_it_is_cut() -> None:
    text = golden("jool-4.1.9-session-tcp.csv")
    wanted = tuple(joolcsv.parse_sessions(text))
    for size in (1, 7, 4096):
        listing = SessionListing()
        for start in range(0, len(text), size):
            listing.feed(text[start : start + size].encode())
        listing.end()
        assert listing.traffic().sessions == wanted
        assert listing.traffic().whole


def test_a_flood_of_one_pod_hides_nobody_and_costs_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessionlisting, "MOST_OF_A_CLIENT", 2000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    listing = SessionListing()
    listing.feed(HEADER)
    for chunk in flood(150_000):
        listing.feed(chunk)
    for chunk in flood(100, OTHER):
        listing.feed(chunk)
    listing.end()
    traffic = listing.traffic()
    assert sum(one.inside.address == OTHER for one in traffic.sessions) == 100
    assert traffic.left_out == {FLOODER: 148_000}
    assert sum((traffic.ports or {}).values()) == 40_000, "every port in use is counted"
    assert not traffic.whole
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64_000
    clients = limited(traffic.sessions, (), Limit(100_000, 128), traffic.left_out)
    assert {str(client): count for client, count in clients.items()} == {f"{FLOODER}/128": 150_000}


def test_a_list_that_was_cut_counts_for_as_far_as_it_came() -> None:
    listing = SessionListing()
    listing.feed(HEADER + next(flood(10)) + b"UDP,2002:a01")
    listing.end(partial=True)
    assert len(listing.traffic().sessions) == 10
    assert listing.traffic().partial


@pytest.mark.parametrize(
    "text",
    [b"garbage\n", HEADER + b"UDP,what\n", HEADER + b"x" * 5000, b"x" * 5000],
    ids=["table", "row", "line", "no-end"],
)
def test_what_is_no_list_of_sessions_is_an_error(text: bytes) -> None:
    with pytest.raises(FormatError):
        SessionListing().feed(text)


def test_a_last_line_without_its_end_is_an_error() -> None:
    listing = SessionListing()
    listing.feed(HEADER + b"UDP,2002:a01")
    with pytest.raises(FormatError):
        listing.end()
