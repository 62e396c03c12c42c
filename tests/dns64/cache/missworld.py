"""The miss path and the general path side by side: the same query, the same upstream packets, one comparison."""

import atexit
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from ipaddress import ip_address
from time import monotonic
from types import SimpleNamespace
from typing import Any

import pytest

from kun_dns64.cache.answers import Cache, key_of
from kun_dns64.fastpath.selection import choose_parts
from kun_dns64.formats.packed_answer import pack, unpack
from kun_dns64.formats.query import parse_query
from kun_dns64.formats.render import SizeLimits, render
from kun_dns64.formats.response import matches
from kun_dns64.model.message import Query, Response, Transport
from kun_dns64.model.question import Question
from kun_dns64.model.rules import Rules
from kun_dns64.model.step import Ask, AskedFlags, Heard, Reply
from kun_dns64.policy.client_share import ClientShares
from kun_dns64.policy.next_step import next_step
from kun_dns64.policy.plain_query import PlainClients
from kun_dns64.policy.prepared import prepare
from kun_dns64.policy.zone_share import ZoneShares
from kun_dns64.serving.reply_lookup import ReplyLookup
from kun_dns64.transport.attempt import Observed, Request, read
from kun_dns64.transport.health import Health

from ..world import answer, key, nodata, rules
from .memoworld import RULE_SETS, SECRETS, UPSTREAM

misspath = pytest.importorskip(
    "kun_dns64.fastpath.miss_path", reason="kun_dns64.fastpath.miss_path is not compiled (make venv)"
)
ports = pytest.importorskip(
    "kun_dns64.fastpath.port_pool", reason="kun_dns64.fastpath.port_pool is not compiled (make venv)"
)

OPT = b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00"
SOURCE = "2001:db8::1"
# Bytes before an answer in the cache: arrival, lifetime, when it is fetched anew.
STAMP = 12
Build = Callable[[bytes, Question], bytes]
SHAPES = {name: outcome for name, outcome in UPSTREAM.items() if isinstance(outcome, Response)} | {
    "deep AAAA": nodata(300, 300, "", ad=True),
    "deep A": answer(
        "deep 100 A 192.0.2.1\ndeep 90 A 192.0.2.2",
        "T.example. 80 NS a.ns.t.example.\nt.example. 80 NS B.ns.T.example.\nt.example. 80 NS other.test.",
        "a.ns.t.example. 70 A 192.0.2.3\na.ns.t.example. 70 AAAA 2001:db8::3\nb.NS.t.example. 70 A 192.0.2.4",
    ),
    "twice A": answer("twice 100 A 192.0.2.1\ntwice 90 A 192.0.2.1"),
    "same-ns A": answer("same-ns 9 A 192.0.2.1", "@ 8 NS ns\n@ 7 NS ns"),
    "old AAAA": nodata(4_000_000_000, 300),
    "old A": answer("old 4000000000 A 192.0.2.1", "@ 700000 NS ns"),
    "many AAAA": answer("\n".join(f"many 100 AAAA 2001:db8::{n:x}" for n in range(1, 20))),
    "lean AAAA": nodata(300, 300),
    "lean A": answer("lean 100 A 192.0.2.1"),
    "crowd AAAA": nodata(),
    "crowd A": answer("\n".join(f"crowd 100 A 192.0.2.{n}" for n in range(1, 17))),
}
NAMES = sorted({name.split()[0] for name in SHAPES})
ATTEMPTS = 5
HANDED_OVER = "handed over"


class Upstream:
    """One upstream with real ports, all leading to `server`, and what was sent from them. The world has only one."""

    address, randomise_case, plain_case_until = "fake", True, 0.0

    def __init__(self) -> None:
        self.health, self.observed, self.random = Health(), Observed(), ports.Randomness()
        self.server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.server.bind(("127.0.0.1", 0))
        self.pool = ports.PortPool(self, SimpleNamespace(add_reader=lambda fd, call: None, call_soon=None))
        self.case_in_doubt, self.kept_case = False, list[bytes]().append
        atexit.register(self.close)

    def connect(self) -> socket.SocketType:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        sock.connect(self.server.getsockname())
        return sock

    def close(self) -> None:
        for port in list(self.pool.ports.values()):
            self.pool.drop(port)
        self.server.close()

    def begin(self) -> "Upstream":
        """As new."""
        for port in self.pool.ports.values():
            port.out.clear()
        self.case_in_doubt = False
        self.sent()
        return self

    @property
    def out(self) -> dict[int, Any]:
        """What is out, by id."""
        return {ident: asked for port in self.pool.ports.values() for ident, asked in port.out.items()}

    def sent(self) -> list[bytes]:
        """What has come since the last call."""
        found = []
        with suppress(BlockingIOError):
            while True:
                found.append(self.server.recv(4096))
        return found


@cache
def the_upstream() -> Upstream:
    return Upstream()


class Upstreams:
    def __init__(self) -> None:
        self.in_flight: dict[bytes, object] = {}
        self.upstream, self.adopted = the_upstream().begin(), False
        self.observed = SimpleNamespace(out=set(), tap=None)
        self.most, self.coalesced, self.displaced, self.refused = 100, 0, 0, 0
        self.zones = ZoneShares(1000)

    def lone(self, group: str) -> Upstream:
        return self.upstream

    def adopt(self, *_: object) -> tuple[object, object]:
        self.adopted = True
        return None, SimpleNamespace(received=lambda wire: True)


class Quick:
    """The real miss path with a cache, a memo, and upstream packets made by `build`."""

    def __init__(self, under: Rules, payload_max: int = 1232) -> None:
        self.under, self.payload_max = under, payload_max
        cache = Cache(max_ttl_s=under.max_ttl_s, store=choose_parts().store)
        # Whether data that is due may be fetched anew.
        self.room = True
        self.resolver = SimpleNamespace(upstreams=Upstreams(), cache=cache, may_refresh=lambda now, cost: self.room)
        self.lookup = ReplyLookup(under, SECRETS, choose_parts(), payload_max)
        self.resumed = False
        self.start(SimpleNamespace(call_later=lambda delay, call: None))

    def start(self, loop: Any, longest_s: float = 0.15, stagger_s: float = 0.05) -> None:
        """A new path in this loop."""
        self.shares = ClientShares(1000, str, lambda _: False)
        self.path = misspath.MissPath(
            self.resolver,
            self.lookup,
            loop,
            self._resumed,
            self._settled,
            lambda wire, source, send, reply: send(reply),
        )
        self.renew(longest_s, stagger_s)

    def renew(self, longest_s: float = 0.15, stagger_s: float = 0.05) -> None:
        prepared = prepare(self.under)
        clients = PlainClients(prepared)
        self.path.renew(
            prepared, lambda source: clients.of(ip_address(source)), self.payload_max, self.under.max_ttl_s,
            longest_s, stagger_s, self.shares.of,
        )  # fmt: skip

    def _settled(self) -> None:
        assert self.path.pending == 0

    def _resumed(self, *with_: object) -> None:
        self.resumed, self.resumed_with = True, with_

    @property
    def handed_over(self) -> bool:
        return self.resumed or self.resolver.upstreams.adopted

    def ask(self, wire: bytes, source: str, build: Build) -> bytes | str | None:
        """The reply; None when it was not taken."""
        said: list[bytes] = []
        if not self.path.take(wire, source, said.append):
            return None
        upstream = self.resolver.upstreams.upstream
        while sent := upstream.sent():
            for asked in sent:
                upstream.out[int.from_bytes(asked[:2])].received(build(asked, question_of(asked)))
                if self.handed_over:
                    return HANDED_OVER
        assert self.path.pending == 0
        assert not upstream.out
        assert not self.resolver.upstreams.observed.out
        assert not self.resolver.upstreams.in_flight
        return said[0]


class General:
    def __init__(self, under: Rules, payload_max: int = 1232) -> None:
        self.under, self.limits = under, SizeLimits(payload_max)
        self.cache, self.lookup = (
            Cache(max_ttl_s=under.max_ttl_s),
            ReplyLookup(under, SECRETS, choose_parts(), payload_max),
        )

    def ask(self, wire: bytes, source: str, build: Build, asked: dict[int, bytes]) -> bytes:
        """`asked`: the packets to reply to, by type, so that ids and letters are the same as in the miss path."""
        query = parse_query(wire, Transport.UDP, ip_address(source))
        assert isinstance(query, Query)
        heard: list[Heard] = []
        due: list[Ask] = []
        now = monotonic()
        while isinstance(step := next_step(query, heard, self.under, now), Ask):
            known = self.cache.lookup(step.question, step.flags, step.group, now)
            if known is not None:
                heard.append(known)
                if known.refresh:
                    # As Resolver.cached.
                    due.append(step)
                    self.cache.put_off(step.question, step.flags, step.group, now)
                    heard[-1] = known._replace(steady_s=1)
                continue
            heard.append(self.settled(step, build, asked, now))
        assert isinstance(step, Reply)
        data = [data for code, data in (query.edns.options if query.edns else ()) if code == 10]
        made = render(query, step, self.limits, self.lookup.cookie(data[0], source) if data else b"")
        self.lookup.remember(wire, made, step, heard, source, Transport.UDP, self.under)
        for ask in due:
            if ask.question.qtype in asked:
                self.settled(ask, build, asked, now)
        return made

    def settled(self, ask: Ask, build: Build, asked: dict[int, bytes], now: float) -> Heard:
        assert ask.question.qtype in asked, "the miss path did not have to ask for this"
        sent = asked[ask.question.qtype]
        reply = build(sent, question_of(sent))
        assert matches(reply, int.from_bytes(sent[:2]), question_of(sent), exact_case=True)
        outcome = read(reply, Request(ask.question, ask.flags)).outcome
        return self.cache.settle(ask.question, ask.flags, ask.group, outcome, now)


def question_of(asked: bytes) -> Question:
    return Question(asked[12:-15], int.from_bytes(asked[-15:-13]))


def wire_of(asked: bytes, response: Response) -> bytes:
    packed = pack(question_of(asked), response)
    assert packed is not None
    counted = (int.from_bytes(packed[10:12]) + 1).to_bytes(2)
    return asked[:2] + packed[2:10] + counted + asked[12:-11] + packed[12:] + OPT


def spelled_out(asked: bytes, response: Response) -> bytes:
    """The same without compression, but for the owners of the answer."""
    sections = (response.answer, response.authority, response.additional)
    records = b"".join(
        (b"\xc0\x0c" if section is response.answer else record.name)
        + record.rtype.to_bytes(2) + record.rclass.to_bytes(2) + record.ttl.to_bytes(4)
        + len(record.rdata).to_bytes(2) + record.rdata
        for section in sections for record in section
    )  # fmt: skip
    counts = b"".join(n.to_bytes(2) for n in (1, len(sections[0]), len(sections[1]), len(sections[2]) + 1))
    flags = (0x8180 | response.rcode | (0x20 if response.ad else 0)).to_bytes(2)
    return asked[:2] + flags + counts + asked[12:-11] + records + OPT


def entries(lookup: ReplyLookup) -> list[tuple[bytes, int, bytes]]:
    """What the memo holds: key, seconds it holds, all but the moment."""
    store = lookup._reply_store._store
    found = {**store._old, **store._young}
    return [(k, int.from_bytes(v[4:8]) - int.from_bytes(v[:4]), v[8:]) for k, v in sorted(found.items())]


def stamps(cache: Cache) -> dict[bytes, bytes]:
    """Arrival, lifetime and the age they are due at, of all the cache has."""
    return {key: entry[:STAMP] for key, entry in {**cache._data._old, **cache._data._young}.items()}


def share_cookies(quick: Quick, general: General) -> None:
    """They tell the time."""
    general.lookup.cookie = quick.lookup.cookie


def grow_older(cache: Cache, seconds: int) -> None:
    """As if all in it had come so much earlier."""
    for key_, entry in {**cache._data._old, **cache._data._young}.items():
        cache._data.get(key_)
        cache._data.replace(key_, (int.from_bytes(entry[:4]) - seconds).to_bytes(4) + entry[4:])


def compare(
    wire: bytes, under: Rules, build: Build, source: str = SOURCE, payload_max: int = 1232
) -> bytes | str | None:
    """What the miss path made of it, having compared it with the general path.

    Answers age by whole seconds: where one ended in between, both are asked anew.
    """
    for _ in range(ATTEMPTS):
        began = int(monotonic())
        quick, general, asked = Quick(under, payload_max), General(under, payload_max), dict[int, bytes]()
        said = quick.ask(wire, source, _noting(build, asked))
        if said is None or said == HANDED_OVER:
            return said
        share_cookies(quick, general)
        expected = general.ask(wire, source, build, asked)
        assert isinstance(said, bytes)
        if int(monotonic()) == began:
            assert said.hex() == expected.hex()
            _compare_kept(wire, asked, quick, general)
            return said
    raise AssertionError("a second ended in every attempt")


def _noting(build: Build, asked: dict[int, bytes]) -> Build:
    def noting(sent: bytes, question: Question) -> bytes:
        asked[question.qtype] = sent
        return build(sent, question)

    return noting


def _compare_kept(wire: bytes, asked: dict[int, bytes], quick: Quick, general: General) -> None:
    for qtype, sent in asked.items():
        question = Question(question_of(sent).name.lower(), qtype)
        kept = [c._data.get(key_of(question, _flags(wire), "")) for c in (quick.resolver.cache, general.cache)]
        assert (kept[0] is None) == (kept[1] is None)
        if kept[0] is not None and kept[1] is not None:
            assert kept[0][4:8] == kept[1][4:8]
            # The general path's cache gives names that the question holds its letters; no reply shows the difference.
            assert pack(question, unpack(question, kept[0][STAMP:], 0)) == kept[1][STAMP:]
    assert entries(quick.lookup) == entries(general.lookup)


def _flags(wire: bytes) -> AskedFlags:
    query = parse_query(wire, Transport.UDP, ip_address(SOURCE))
    assert isinstance(query, Query)
    return AskedFlags(query.cd, query.do)


def upstream(asked: bytes, question: Question) -> bytes:
    return wire_of(asked, _response(question))


def _response(question: Question) -> Response:
    return SHAPES.get(key(question._replace(name=question.name.lower())), nodata())


def uncompressed(asked: bytes, question: Question) -> bytes:
    return spelled_out(asked, _response(question))


ALL_RULES = {
    **RULE_SETS,
    "trusting": rules(trust_ad=True),
    "short": rules(max_ttl_s=45),
    "wellknown": rules(prefixes=(RULE_SETS["usual"].pools[0].prefixes[0],)),
}
COOKIE = ((10, bytes(8)),)
