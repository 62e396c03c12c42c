"""The server as a client: what an attacker can guess, and what it does when upstreams loop (RFC 5452 section 9.2)."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import dns.message
import dns.rcode
import pytest

from tests.ports import free_port

from .case import a, aaaa, nodata, nxdomain
from .client import Query, ask, opened
from .configs import filled, plain
from .names import Names
from .run import Stage
from .script import Says
from .server import V4, V6, Server
from .upstream import ScriptedUpstream, Seen

QUERIES = 5000


@pytest.fixture(scope="module")
def sample(stage: Stage) -> list[Seen]:
    """What the upstream saw of a few thousand queries for different names."""
    # a server of its own: one that has met an upstream without 0x20 may have given it up
    server, names = stage.servers.get("plain", "-spread"), Names.fresh()
    stage.one.script(names, {"*.@ A": a(".33")})

    def burst(start: int) -> None:
        with opened("udp", V4, server.port) as connection:
            for i in range(start, QUERIES, 8):
                connection.send(Query(f"n{i}.@").to_wire(names))
                connection.receive()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(burst, range(8)))
    seen = [query for query in stage.one.below(names.own) if query.transport == "udp"]
    assert len(seen) >= QUERIES
    return seen


def test_c304_rfc5452_9_2_source_ports_are_spread(sample: list[Seen]) -> None:
    ports = {seen.source[1] for seen in sample}
    assert len(ports) >= 3000, f"{len(ports)} ports in {len(sample)} queries"


def test_c304a_rfc5452_9_2_ids_are_uniform(sample: list[Seen]) -> None:
    for shift in (0, 4, 8, 12):
        counts = Counter(seen.id >> shift & 15 for seen in sample)
        expected = len(sample) / 16
        chi2 = sum((counts[digit] - expected) ** 2 / expected for digit in range(16))
        assert chi2 < 60, (
            f"chi² {chi2:.0f} for bits {shift} to {shift + 3} (15 degrees of freedom, 60 is one in ten million)"
        )


def test_c304b_rfc5452_9_2_ids_do_not_follow_each_other(sample: list[Seen]) -> None:
    steps = Counter((after.id - before.id) & 0xFFFF for before, after in itertools.pairwise(sample))
    assert steps.most_common(1)[0][1] <= 8


def test_c304c_rfc5452_9_2_a_port_does_not_tell_the_id(sample: list[Seen]) -> None:
    pairs = Counter((seen.source[1], seen.id) for seen in sample)
    assert pairs.most_common(1)[0][1] <= 2


def test_c303_draft_0x20_letters_are_mixed_towards_the_upstream(sample: list[Seen]) -> None:
    spellings = {seen.wire[12:].split(b"\1t\7", 1)[-1][:7] for seen in sample}
    assert len(spellings) >= 100


def test_c303a_draft_0x20_is_off_when_configured(stage: Stage) -> None:
    server, names = stage.servers.get("no-0x20"), Names.fresh()
    for i in range(10):
        ask(Query(f"N{i}.@", "TXT").to_wire(names), "udp", V4, server.port)
    assert all(b"\1t\7example\0" in seen.wire for seen in stage.one.below(names.own))
    assert len(stage.one.below(names.own)) == 10


@pytest.fixture
def ring(stage: Stage) -> Iterator[tuple[Server, Server]]:
    """Two servers that forward to each other."""
    ports = free_port(V4, V6), free_port(V4, V6)
    servers = []
    for mine, other in (ports, ports[::-1]):
        config = filled(plain(), {"ONE": f"127.0.0.1:{other}"})
        config["server"] |= {"listen": [f"{V4}:{mine}"]}
        servers.append(stage.servers.private(f"ring-{mine}", config, mine))
    yield servers[0], servers[1]
    assert [server.stop() for server in servers] == [0, 0]


def test_c322_a_forwarding_loop_ends_in_servfail_and_no_storm(ring: tuple[Server, Server], stage: Stage) -> None:
    names = Names.fresh()
    start = time.monotonic()
    with ThreadPoolExecutor(10) as pool:
        wires = list(pool.map(lambda i: ask(Query(f"n{i}.@").to_wire(names), "udp", V4, ring[0].port).wire, range(10)))
    assert time.monotonic() - start < 3.5
    assert {dns.message.from_wire(wire or b"").rcode() for wire in wires} == {2}
    burnt = [_cpu_s(server) for server in ring]
    time.sleep(1)
    after = [_cpu_s(server) for server in ring]
    assert max(b - a for a, b in zip(burnt, after, strict=True)) < 0.5, "the loop goes on after the answers"


def _cpu_s(server: Server) -> float:
    with open(f"/proc/{server.process.pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_c318_rfc7766_6_2_1_queries_to_a_tcp_upstream_share_connections(stage: Stage) -> None:
    server, names = stage.servers.get("tcp-upstream"), Names.fresh()
    stage.one.script(names, {"*.@ AAAA": aaaa("2001:db8::1", owner="*.@")})

    def one(i: int) -> None:
        ask(Query(f"n{i}.@", "TXT").to_wire(names), "udp", V4, server.port)

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(one, range(100)))
    seen = stage.one.below(names.own)
    assert len(seen) >= 100
    assert len({query.connection for query in seen}) <= 16


@pytest.mark.parametrize(("rdtype", "reply"), [("AAAA", nxdomain()), ("TXT", nodata()), ("TXT", nxdomain())])
def test_c314_denials_are_no_reason_to_ask_another_upstream(stage: Stage, rdtype: str, reply: Says) -> None:
    server, names = stage.servers.get("two-upstreams"), Names.fresh()
    for upstream in (stage.one, stage.two):
        upstream.script(names, {rdtype: reply})
    wire = ask(Query(rdtype=rdtype).to_wire(names), "udp", V4, server.port).wire
    assert dns.rcode.to_text(dns.message.from_wire(wire or b"").rcode()) == reply.rcode
    assert len(stage.one.below(names.own)) + len(stage.two.below(names.own)) == 1


@pytest.mark.parametrize("synthesises", [True, False])
def test_c140_an_upstream_that_is_a_dns64_itself_is_reported(stage: Stage, synthesises: bool) -> None:
    names = Names("ipv4only.arpa.", "0.0.0.0")
    upstream = ScriptedUpstream().start()
    if synthesises:
        upstream.script(names, {"AAAA": aaaa("64:ff9b::c000:aa", "64:ff9b::c000:ab")})
    config = filled(plain(upstream={"check_not_dns64": True}), {"ONE": upstream.address})
    server = stage.servers.private(f"check-{synthesises}", config)
    try:
        deadline = time.monotonic() + (8 if synthesises else 1)
        while "upstream-is-dns64" not in server.log_text() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert ("upstream-is-dns64" in server.log_text()) == synthesises
    finally:
        assert server.stop() == 0
        upstream.stop()
