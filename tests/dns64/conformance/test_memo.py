"""A remembered answer must not lend one client's bits to another: any order of questions gives the same replies."""

from __future__ import annotations

import random
import struct
import time

import dns.edns
import dns.message
import dns.rcode
import pytest

from .case import a, aaaa, nodata, nxdomain, says, synth
from .cases_dnssec import AAAA_SIGNED
from .cases_edns import CLIENT_COOKIE, COOKIE, many
from .client import Query, ask
from .judge import judge
from .names import Names
from .run import Stage
from .script import Action
from .server import V4, Server

VARIANTS: dict[str, Query] = {
    "plain": Query(),
    "no-edns": Query(edns=None),
    "mixed-case": Query("^@"),
    "mixed-case-no-edns": Query("^@", edns=None),
    "do": Query(do=True),
    "cd": Query(cd=True),
    "do-cd": Query(do=True, cd=True),
    "ad": Query(ad=True),
    "ad-no-edns": Query(ad=True, edns=None),
    "512": Query(payload=512),
    "4096": Query(payload=4096),
    "zero-size": Query(payload=0),
    "cookie": Query(options=((COOKIE, CLIENT_COOKIE),)),
    "other-cookie": Query(options=((COOKIE, bytes(8)),)),
    "cookie-in-mixed-case": Query("^@", options=((COOKIE, CLIENT_COOKIE),)),
    "short-cookie": Query(options=((COOKIE, b"abc"),)),
    "unknown-option": Query(options=((65001, b"x"),)),
    "ecs": Query(options=((8, b"\0\1\x18\0\x0a\7\1"),)),
    "z-flag": Query(z=0x40),
    "version-1": Query(edns=1),
    "a": Query(rdtype="A"),
    "txt": Query(rdtype="TXT"),
    "a-in-mixed-case": Query("^@", "A"),
}

NAMES: dict[str, dict[str, Action]] = {
    "synthesised": {"A": a(".33", ".34")},
    "chain": {"AAAA": nodata(answer=("@ 500 CNAME x.@",)), "A": says("@ 500 CNAME x.@", "x.@ 3600 A 192.0.2.33")},
    "real": {"AAAA": AAAA_SIGNED, "A": a(".33")},
    "large": {"A": many(60)},
    "filtered": {"AAAA": aaaa("::ffff:1.2.3.4", "2001:db8::4"), "A": a("127.0.0.1")},
    "denied": {"A": nodata(), "AAAA": nodata()},
    "nowhere": {"A": nxdomain(), "AAAA": nxdomain(), "TXT": nxdomain()},
    "txt": {"TXT": says("@ 300 TXT x")},
}

Essence = tuple[object, ...]


def _essence(wire: bytes | None, names: Names) -> Essence:
    """What must not depend on what was asked before: all but the id, TTLs and the name's first label."""
    assert wire is not None
    flags = struct.unpack("!H", wire[2:4])[0]
    reply = dns.message.from_wire(wire, one_rr_per_rrset=True)
    text = "\n".join(
        sorted(f"{rrset.name} {rrset.rdtype} {rrset[0]}" for part in (reply.answer, reply.authority) for rrset in part)
    )
    options = tuple(
        (int(option.otype), option.to_wire() if option.otype != COOKIE else (option.to_wire() or b"")[:8])
        for option in reply.options
    )
    opt = (reply.edns, int(reply.ednsflags), reply.payload) if reply.edns >= 0 else None
    question = _anonymous(str(reply.question), names)
    return flags, dns.rcode.to_text(reply.rcode()), question, _anonymous(text, names), opt, options


def _anonymous(text: str, names: Names) -> str:
    mixed = names.fill("^@").split(".", 1)[0]
    return text.replace(names.own.split(".", 1)[0], "OWN").replace(mixed, "Own")


def _ask(server: Server, query: Query, names: Names, transport: str) -> Essence:
    return _essence(ask(query.to_wire(names), transport, V4, server.port).wire, names)


def _cold(server: Server, stage: Stage, kind: str, query: Query, transport: str) -> Essence:
    names = Names.fresh()
    stage.one.script(names, NAMES[kind])
    return _ask(server, query, names, transport)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("kind", NAMES)
def test_replies_do_not_depend_on_who_asked_before(stage: Stage, kind: str, transport: str) -> None:
    server, rng = stage.servers.get("plain"), random.Random(kind)
    cold = {title: _cold(server, stage, kind, query, transport) for title, query in VARIANTS.items()}
    for _ in range(2):
        names = Names.fresh()
        stage.one.script(names, NAMES[kind])
        order = list(VARIANTS) * 2
        rng.shuffle(order)
        asked: list[str] = []
        for title in order:
            asked.append(title)
            assert _ask(server, VARIANTS[title], names, transport) == cold[title], f"after {asked}"


def test_a_remembered_answer_keeps_all_rules_of_a_reply(stage: Stage) -> None:
    server, names = stage.servers.get("plain"), Names.fresh()
    stage.one.script(names, NAMES["synthesised"])
    good = [query for query in VARIANTS.values() if query.rdtype == "AAAA" and not query.cd and query.edns != 1]
    for query in [query for query in good if query.options != ((COOKIE, b"abc"),)] * 3:
        sent = query.to_wire(names)
        heard = ask(sent, "udp", V4, server.port)
        assert judge(query, sent, heard, synth(".33", ".34").but(ttl_slack=20), names, "udp") == []


CLIENTS = {
    f"{source} {rdtype}{' ecs' if options else ''}": Query(rdtype=rdtype, source=source, options=options)
    for source in ("127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.9")
    for rdtype in ("AAAA", "A")
    for options in ((), ((8, b"\0\1\x18\0\x0a\7\1"),))
}


def _ask_as(server: Server, query: Query, names: Names) -> Essence:
    return _essence(ask(query.to_wire(names), "udp", V4, server.port, query.source).wire, names)


def test_clients_of_different_classes_do_not_see_each_others_answers(stage: Stage) -> None:
    server, rng = stage.servers.get("clients"), random.Random(64)
    cold = {}
    for title, query in CLIENTS.items():
        names = Names.fresh()
        stage.one.script(names, NAMES["synthesised"])
        cold[title] = _ask_as(server, query, names)
    assert len(set(cold.values())) >= 4  # the classes of the configuration really differ
    for _ in range(2):
        names = Names.fresh()
        stage.one.script(names, NAMES["synthesised"])
        order = list(CLIENTS) * 4
        rng.shuffle(order)
        for title in order:
            assert _ask_as(server, CLIENTS[title], names) == cold[title], title


def test_a_remembered_answer_ages_by_whole_seconds_and_never_grows(stage: Stage) -> None:
    server, names = stage.servers.get("plain"), Names.fresh()
    stage.one.script(names, NAMES["synthesised"])
    ttls = []
    start = time.monotonic()
    while (passed := time.monotonic() - start) < 3.2:
        query = _some_variant(passed)
        reply = dns.message.from_wire(ask(query.to_wire(names), "udp", V4, server.port).wire or b"")
        ttls.append(reply.answer[0].ttl)
        assert abs(300 - passed - reply.answer[0].ttl) <= 1.5
        time.sleep(0.02)
    assert ttls == sorted(ttls, reverse=True)
    assert ttls[0] - ttls[-1] in (2, 3, 4)


def _some_variant(passed: float) -> Query:
    return VARIANTS[("plain", "mixed-case", "no-edns", "cookie", "ad")[int(passed * 50) % 5]]
