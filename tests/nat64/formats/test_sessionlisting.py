"""Millions of sessions, read with bounded memory."""

import resource
from collections import Counter
from collections.abc import Iterator
from ipaddress import IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun_nat64.formats import joolcsv, sessionlisting
from kun_nat64.formats.sessionlisting import SessionListing
from kun_nat64.formats.sessionsearch import SessionSearch
from kun_nat64.formats.table import FormatError
from kun_nat64.model.audit import SessionKey
from kun_nat64.model.joolfacts import Protocol
from kun_nat64.model.sessionlist import SessionList, split, unpacked
from kun_nat64.model.spec import Limit
from kun_nat64.model.traffic import Session
from kun_nat64.policy.drain import LIVE_STATES
from kun_nat64.policy.limits import limited
from tests.nat64.audit.flows import POD, flow, listed, session
from tests.nat64.formats.golden import golden

HEADER = ",".join(joolcsv.SESSION_COLUMNS).encode() + b"\n"
FLOODER, OTHER = IPv6Address("2002:a01:2:1::10"), IPv6Address("2002:a01:3:1::10")


ROW = b"UDP,2002:a01:2:1::10,50000,2002:cb00:7101::c633:6450,53,192.0.2.11,40000,198.51.100.80,53,0:04:59.5\n"
WRONG = (
    (b"UDP", b"SCTP"),
    (b"::10", b"::g"),
    (b"50000", b"65536"),
    (b"50000", b"-1"),
    (b"40000", b""),
    (b"192.0.2.11", b"192.0.2"),
    (b"198.51.100.80", b"198.51.100"),
    (b"198.51.100.80", b"198.51.100.256"),
    (b"0:04:59.5", b"0:04:nan"),
    (b"0:04:59.5", b"-1:04:59"),
    (b"0:04:59.5", b"soon"),
)


def flood(rows: int, pod: IPv6Address = FLOODER, at_once: int = 1000) -> Iterator[bytes]:
    for start in range(0, rows, at_once):
        numbers = range(start, min(rows, start + at_once))
        yield b"".join(
            b"UDP,%s,%d,2002:cb00:7101::c633:%x,53,192.0.2.11,%d,198.51.%d.%d,53,0:04:59.0\n"
            % (str(pod).encode(), n & 0xFFFF, n >> 16, 20000 + n % 40000, n >> 24, n >> 16 & 255)
            for n in numbers
        )


def flows_of(found: SessionList) -> set[SessionKey]:
    return {unpacked(key, flow) for key, page in found.pages.items() for flow in split(page.flows)}


@pytest.mark.parametrize("version", ["4.1.9", "4.1.13"])
def test_it_says_what_the_whole_text_says_however_it_is_cut(version: str) -> None:
    for protocol in Protocol:
        text = golden(f"jool-{version}-session-{protocol}.csv")
        wanted = joolcsv.parse_sessions(text)
        for size in (1, 7, 4096):
            listing = SessionListing()
            for start in range(0, len(text), size):
                listing.feed(text[start : start + size].encode())
            listing.end()
            found = listing.found()
            assert flows_of(found) == {flow(one) for one in wanted}
            left = sorted(seconds for page in found.pages.values() for seconds in page.left_s)
            assert left == pytest.approx(sorted(one.expires_s for one in wanted))
            assert found.held == Counter(int(one.inside.address) for one in wanted)
            assert found.live_tcp == len([one for one in wanted if one.state in LIVE_STATES])
            assert found.whole


one_each = st.builds(session, st.integers(0, 65535), protocol=st.sampled_from(Protocol), pod=st.integers(0, 9))


@given(st.lists(one_each, unique_by=lambda one: (one.protocol, one.outside.port)))
def test_rows_in_any_order_and_of_any_port_are_packed(sessions: list[Session]) -> None:
    found = listed(sessions, POD + 3)
    others = [one for one in sessions if one.inside.address != POD + 3]
    assert flows_of(found) == {flow(one) for one in others}
    assert found.sessions == len(others)
    assert found.bindings == len({(one.protocol, one.outside) for one in others})
    for (address, protocol), bits in found.ports.items():
        used = {one.outside.port for one in sessions if (one.outside.address, one.protocol) == (address, protocol)}
        assert {port for port in range(65536) if bits[port >> 3] >> (port & 7) & 1} == used


def test_columns_that_a_newer_version_moves_or_adds_are_found() -> None:
    columns = list(reversed(joolcsv.SESSION_COLUMNS))
    cells = dict(zip(joolcsv.SESSION_COLUMNS, ROW.decode().strip().split(","), strict=False))
    listing = SessionListing()
    listing.feed(",".join(["Mark", *columns]).encode() + b"\n")
    listing.feed(",".join(["7", *(cells.get(name, "") for name in columns)]).encode() + b"\n")
    listing.end()
    assert flows_of(listing.found()) == flows_of(read(HEADER + ROW))


def test_the_sessions_of_one_port_are_found_among_many() -> None:
    rows = b"".join(flood(1000)) + ROW
    for size in (13, 5000):
        search = SessionSearch(50_000)
        for start in range(0, len(HEADER + rows), size):
            search.feed((HEADER + rows)[start : start + size])
        search.end()
        assert (search.rows, search.whole) == (1001, True)
        assert [one.outside.port for one in search.found] == [40_000]
    cut = SessionSearch(50_000)
    cut.feed(HEADER + ROW)
    cut.end(partial=True)
    assert not cut.whole


def read(*chunks: bytes) -> SessionList:
    listing = SessionListing()
    for chunk in chunks:
        listing.feed(chunk)
    listing.end()
    return listing.found()


def test_a_flood_of_one_pod_hides_nobody_and_costs_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessionlisting, "MOST_OF_A_CLIENT", 2000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = read(HEADER, *flood(150_000), *flood(100, OTHER))
    assert sum(one.inside.address == OTHER for one in flows_of(found)) == 100
    assert len(flows_of(found)) == 2100
    assert found.left_out == {FLOODER: 148_000}
    assert sum(int.from_bytes(bits, "big").bit_count() for bits in found.ports.values()) == 40_000, "all are counted"
    assert not found.whole
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64_000
    clients = limited(found.held, (), Limit(100_000, 128))
    assert {str(client): count for client, count in clients.items()} == {f"{FLOODER}/128": 150_000}


def test_a_pod_with_many_addresses_is_counted_as_its_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessionlisting, "MOST_COUNTED", 500)
    rows = (next(flood(1, FLOODER + number)) for number in range(2000))
    found = read(HEADER, *rows, *flood(3, OTHER))
    assert len(found.held) <= 501
    assert found.held[int(OTHER)] == 3
    assert limited(found.held, (), Limit(2000, 64)) == {IPv6Network("2002:a01:2:1::/64"): 2000}


def test_ages_are_not_followed_of_more_than_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessionlisting, "MOST_FOLLOWED", 5)
    assert len(listed(session(port) for port in range(5)).live or ()) == 5
    crowded = listed(session(port) for port in range(6))
    assert (crowded.live, crowded.live_tcp) == (None, 6)


def test_a_list_that_was_cut_counts_for_as_far_as_it_came() -> None:
    listing = SessionListing()
    listing.feed(HEADER + next(flood(10)) + b"UDP,2002:a01")
    listing.end(partial=True)
    assert listing.found().sessions == 10
    assert listing.found().partial


@pytest.mark.parametrize(
    "text",
    [
        b"garbage\n",
        HEADER + b"UDP,what\n",
        HEADER + b"x" * 5000,
        b"x" * 5000,
        *(HEADER + ROW.replace(right, wrong) for right, wrong in WRONG),
        HEADER + ROW + ROW[:-1] + b",7,7\n",
        HEADER + ROW + ROW.replace(b"198.51.100.80", b"198.51.100") + ROW.replace(b"100.80", b"100.80.1") + ROW,
    ],
)
def test_what_is_no_list_of_sessions_is_an_error(text: bytes) -> None:
    with pytest.raises(FormatError):
        SessionListing().feed(text)


def test_a_last_line_without_its_end_is_an_error() -> None:
    listing = SessionListing()
    listing.feed(HEADER + b"UDP,2002:a01")
    with pytest.raises(FormatError):
        listing.end()


def test_many_clients_below_their_bounds_are_all_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting one by one begins where some client nears its bound, and takes what went before into account."""
    monkeypatch.setattr(sessionlisting, "MOST_OF_A_CLIENT", 3000)
    monkeypatch.setattr(sessionlisting, "LEAST_ROOM", 500)
    pods = [FLOODER + (number << 64) for number in range(8)]
    chunks = [chunk for pod in pods for chunk in flood(2900, pod, at_once=100)]
    found = read(HEADER, *chunks[::2], *chunks[1::2], *flood(300, FLOODER, at_once=100))
    assert found.sessions == 8 * 2900 + 300
    assert found.left_out == {FLOODER: 200}
