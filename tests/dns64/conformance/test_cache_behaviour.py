"""The cache seen over time and by many at once: bursts, reloads, rechecks (RFC 5452 section 5, RFC 8767 section 5)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dns.message
import pytest

from .case import a, nodata
from .client import Query, ask
from .configs import filled, plain, prefixes
from .names import Names
from .run import Stage
from .script import After, Drop
from .server import V4, Server


def _addresses(server: Server, names: Names, query: Query = Query()) -> list[str]:  # noqa: B008
    wire = ask(query.to_wire(names), "udp", V4, server.port).wire
    assert wire is not None
    reply = dns.message.from_wire(wire, one_rr_per_rrset=True)
    return [str(rrset[0]) for rrset in reply.answer]


def _until(wanted: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if wanted():
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def reloaded(stage: Stage, request: pytest.FixtureRequest) -> Iterator[tuple[Server, Callable[[dict[str, Any]], None]]]:
    """A server of one's own, and a function that gives it a new configuration by SIGHUP."""
    places = {"ONE": stage.one.address}
    server = stage.servers.private("reload-" + request.node.name, filled(plain(), places))

    def change(config: dict[str, Any]) -> None:
        server.write_config(filled(config, places))
        server.reload()

    yield server, change
    trouble = server.new_trouble()
    assert server.stop() == 0
    assert not trouble


Reloaded = tuple[Server, Callable[[dict[str, Any]], None]]


@pytest.mark.parametrize("rdtype", ["AAAA", "A", "TXT"])
def test_c285_rfc5452_5_identical_queries_at_once_are_asked_once(stage: Stage, rdtype: str) -> None:
    server, names = stage.servers.get("plain"), Names.fresh()
    stage.one.script(names, {"AAAA": After(0.3, nodata()), "A": After(0.3, a(".33")), "TXT": After(0.3, nodata())})
    query = Query(rdtype=rdtype)
    with ThreadPoolExecutor(50) as pool:
        wires = list(pool.map(lambda _: ask(query.to_wire(names), "udp", V4, server.port).wire, range(50)))
    assert all(wires)
    assert len({wire[2:] for wire in wires if wire}) == 1
    # each type once; a machine that stalls for longer than the server's patience adds a retransmission
    assert len(stage.one.below(names.own)) <= 4


def test_c285a_queries_that_differ_in_case_are_the_same_question(stage: Stage) -> None:
    server, names = stage.servers.get("plain"), Names.fresh()
    stage.one.script(names, {"AAAA": After(0.3, nodata()), "A": a(".33")})
    queries = [Query(), Query("^@")] * 10
    with ThreadPoolExecutor(20) as pool:
        replies = list(pool.map(lambda query: ask(query.to_wire(names), "udp", V4, server.port).wire, queries))
    assert [dns.message.from_wire(wire or b"").question[0].name.to_text() for wire in replies] == [
        names.fill(query.name) for query in queries
    ]
    assert len(stage.one.below(names.own)) <= 4


def test_c286_a_new_prefix_counts_at_once_for_cached_names(reloaded: Reloaded, stage: Stage) -> None:
    server, change = reloaded
    names = Names.fresh()
    stage.one.script(names, {"A": a(".33")})
    assert _addresses(server, names) == ["2002:c633:6440::c000:221"]
    change(prefixes("2001:db8:122::/48"))
    assert _until(lambda: _addresses(server, names) == ["2001:db8:122:c000:2:2100::"])
    assert len(stage.one.below(names.own)) == 2


def test_c287_a_new_zone_rule_counts_at_once_for_cached_names(reloaded: Reloaded, stage: Stage) -> None:
    server, change = reloaded
    names = Names.fresh()
    stage.one.script(names, {"A": a(".33")})
    assert _addresses(server, names) == ["2002:c633:6440::c000:221"]
    change(plain(zone=[{"suffix": names.own.rstrip("."), "dns64": "never"}]))
    assert _until(lambda: _addresses(server, names) == [])
    assert len(stage.one.below(names.own)) == 2


def test_c287a_a_bad_file_leaves_the_old_configuration_in_force(reloaded: Reloaded, stage: Stage) -> None:
    server, change = reloaded
    names = Names.fresh()
    stage.one.script(names, {"A": a(".33")})
    before = server.log_text()
    change(plain(dns64={"vip": "10.9.8.7"}))
    assert _until(lambda: "10.9.8.7" in server.log_text()[len(before) :])
    assert _addresses(server, names) == ["2002:c633:6440::c000:221"]
    change(prefixes("2001:db8:122::/48"))
    assert _until(lambda: _addresses(server, names) == ["2001:db8:122:c000:2:2100::"])


def test_c287b_no_query_is_lost_while_the_configuration_is_loaded(reloaded: Reloaded, stage: Stage) -> None:
    server, change = reloaded
    lost = 0
    for round_ in range(6):
        change(plain(dns64={"ptr_mode": "ptr" if round_ % 2 else "cname"}))
        for _ in range(20):
            names = Names.fresh()
            stage.one.script(names, {"A": a(".33")})
            lost += _addresses(server, names) != ["2002:c633:6440::c000:221"]
    assert lost == 0


def test_c295_rfc8767_5_a_dead_upstream_is_not_asked_again_and_again(stage: Stage) -> None:
    server, names = stage.servers.get("stale", "-recheck"), Names.fresh()
    stage.one.script(names, {"AAAA": nodata(1, 1), "A": a(".33", ttl=1)})
    assert _addresses(server, names)
    stage.one.script(names, {"AAAA": Drop(), "A": Drop()})
    time.sleep(1.5)
    assert _addresses(server, names) == ["2002:c633:6440::c000:221"]
    tried = len(stage.one.below(names.own))
    start = time.monotonic()
    for _ in range(100):
        assert _addresses(server, names) == ["2002:c633:6440::c000:221"]
    assert time.monotonic() - start < 5
    time.sleep(0.5)
    # one refresh may still be running: its retransmissions are not new tries
    assert len(stage.one.below(names.own)) - tried <= 4
