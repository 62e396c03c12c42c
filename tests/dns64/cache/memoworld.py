"""A shell without sockets for the wire cache: the memo beside the general path, over upstreams of every shape."""

# ruff: noqa: E501 - a row stays on one line

from collections.abc import Sequence
from ipaddress import ip_address, ip_network

import dns.edns
import dns.flags
import dns.message

from kun_dns64.cache.answers import Cache
from kun_dns64.cache.reply_store import ReplyStore
from kun_dns64.fastpath.selection import COMPILED, choose_parts
from kun_dns64.formats.client_subnet import write_subnet
from kun_dns64.formats.cookies import answering_cookie, cookie_data
from kun_dns64.formats.query import parse_query
from kun_dns64.formats.render import render
from kun_dns64.model.message import IPAddress, Query, Transport
from kun_dns64.model.rules import ClientPolicy, GatewayDown, Pool, Rules, Zone, ZoneMode
from kun_dns64.model.step import Ask, FailureKind, Heard, Reply
from kun_dns64.policy.client import answered_subnet
from kun_dns64.policy.memory_share import WHOLE
from kun_dns64.policy.next_step import next_step
from kun_dns64.policy.prepared import prepare

from ..world import Outcome, answer, bare_nodata, error, key, lost, nodata, nxdomain, prefix, rules, wire_name

SECRETS = (bytes(range(16)),)
UNIX_S = 1_700_000_000
SIG = "20300101000000 20200101000000 1 t.example. AAAA"

UPSTREAM: dict[str, Outcome] = {
    "plain AAAA": nodata(300, 300),
    "plain A": answer("plain 100 A 192.0.2.33\nplain 100 A 192.0.2.34", "@ 70 NS Ns", "ns 60 A 192.0.2.53"),
    "minimum AAAA": nodata(3600, 40),
    "minimum A": answer("minimum 100 A 192.0.2.33"),
    "real AAAA": answer("real 50 AAAA 2001:db8::1", ad=True),
    "cname AAAA": nodata(300, 300, "cname 30 CNAME X"),
    "cname A": answer("cname 30 CNAME X\nX 90 A 192.0.2.33", "Example. 90 NS ns.Example."),
    "bare AAAA": bare_nodata(),
    "bare A": answer("bare 700 A 192.0.2.33"),
    "broken AAAA": error(),
    "broken A": answer("broken 610 A 192.0.2.33"),
    "silent AAAA": lost(),
    "silent A": answer("silent 20 A 192.0.2.33"),
    "dead AAAA": lost(),
    "dead A": lost(),
    "mapped AAAA": answer("mapped 620 AAAA ::ffff:1.2.3.4"),
    "mapped A": answer("mapped 640 A 192.0.2.33"),
    "mixed AAAA": answer(f"mixed 60 AAAA ::ffff:1.2.3.4\nmixed 60 AAAA 2001:db8::4\nmixed 60 RRSIG AAAA 8 3 60 {SIG}"),
    "local AAAA": nodata(),
    "denied AAAA": nodata(33, 33),
    "denied A": answer("denied 60 A 127.0.0.1"),
    "gone AAAA": nxdomain(25, 60),
    "gone-a AAAA": nodata(),
    "gone-a A": nxdomain(20, 20),
    "none AAAA": nodata(44, 44, ad=True),
    "none A": nodata(10, 10),
    "zero AAAA": nodata(300, 300),
    "zero A": answer("zero 0 A 192.0.2.33"),
    "one AAAA": nodata(300, 300),
    "one A": answer("one 1 A 192.0.2.33"),
    "short-glue AAAA": nodata(300, 300),
    "short-glue A": answer("short-glue 100 A 192.0.2.33", "@ 5 NS ns", "ns 3 A 192.0.2.53"),
    "many AAAA": nodata(300, 300),
    "many A": answer("\n".join(f"many 100 A 192.0.2.{n}" for n in range(60))),
    "force.f A": answer("force.f 660 A 192.0.2.33"),
    "signed AAAA": nodata(300, 300, ad=True),
    "signed A": answer(f"signed 60 A 192.0.2.33\nsigned 60 RRSIG A 8 3 60 {SIG}", ad=True),
    "plain TXT": answer('plain 77 TXT "a"'),
    "plain HTTPS": answer("plain 77 HTTPS 1 Svc alpn=h2", "", "Svc 20 A 192.0.2.1"),
    "plain ANY": answer('plain 77 TXT "a"\nplain 60 A 192.0.2.1'),
    "refused MX": error(5),
}  # fmt: skip
OTHER = prefix("2001:db8:a::/96")
RULE_SETS = {
    "usual": rules(
        zones=(Zone(wire_name("local.t.example"), ZoneMode.NEVER), Zone(wire_name("f.t.example"), ZoneMode.FORCE)),
        clients=(
            ClientPolicy("dual", (ip_network("2001:db8:d::/48"),), dns64=False),
            ClientPolicy("v6", (ip_network("2001:db8:6::/48"),), filter_a=True),
            ClientPolicy("far", (ip_network("2001:db8:f::/48"),), pool="far"),
        ),
        pools=(Pool("far", (OTHER,)),),
        trust_ecs_from=(ip_network("2001:db8::53/128"),),
        trust_ad=True,
    ),
    "clamped": rules(pools_down=frozenset(("",))),
    "stopped": rules(
        pools_down=frozenset(("",)),
        on_gateway_down=GatewayDown.STOP,
        zones=(Zone(wire_name("real.t.example"), ZoneMode.FORCE), Zone(wire_name("mixed.t.example"), ZoneMode.FORCE)),
    ),
    "shadow": rules(shadow=True),
    "strict": rules(strict_dnssec=True),
    "ecs-upstream": rules(client_subnet=True, trust_ecs_from=(ip_network("2001:db8::53/128"),)),
}


class Server:
    """A shell without sockets: general path behind a memo, one cache, a table for upstream."""

    def __init__(self, under: Rules) -> None:
        self.under = under
        self.cache = Cache()
        self.wirecache = ReplyStore(1000, 1 << 20, choose_parts().store)
        self.memos = self.wirecache.memos(under, self.bake)
        self.asked = 0
        self.upstream_down = False
        self.desk = None
        if COMPILED:
            from kun_dns64.fastpath.reply_lookup import CompiledReplyLookup

            self.desk = CompiledReplyLookup(
                lambda source: self.memos.of(ip_address(source), Transport.UDP), WHOLE.hot_bytes, WHOLE.sources
            )

    @staticmethod
    def bake(data: bytes, source: str) -> bytes:
        return answering_cookie(data, ip_address(source), SECRETS, UNIX_S)

    def general(
        self, wire: bytes, source: IPAddress, transport: Transport, now: float
    ) -> tuple[bytes, Reply, list[Heard]] | None:
        query = parse_query(wire, transport, source)
        if not isinstance(query, Query):
            return None
        heard: list[Heard] = []
        while isinstance(step := next_step(query, heard, self.under, now), Ask):
            heard.append(self._perform(step, now))
        assert isinstance(step, Reply)
        data, subnet = cookie_data(query), answered_subnet(query, prepare(self.under))
        cookie = b"" if data is None else self.bake(data, str(query.source))
        return render(query, step, cookie=cookie, subnet=subnet), step, heard

    def _perform(self, ask: Ask, now: float) -> Heard:
        known = self.cache.lookup(ask.question, ask.flags, ask.group, now)
        if known is not None and not known.refresh:
            return known
        if ask.cached_only:
            return Heard(ask.question, lost(FailureKind.NOT_CACHED))
        self.asked += 1
        lower = ask.question._replace(name=ask.question.name.lower())
        outcome = lost(FailureKind.TIMEOUT) if self.upstream_down else UPSTREAM.get(key(lower), nodata())
        return self.cache.settle(ask.question, ask.flags, ask.group, outcome, now)

    def compare(self, wire: bytes, source: IPAddress, transport: Transport, now: float) -> bool:
        """One packet by both paths; True if the memo had it."""
        memo = self.memos.of(source, transport)
        by_desk = self.by_desk(wire, int(now), str(source)) if transport is Transport.UDP else []
        quick = memo.quick(wire, int(now), str(source))
        assert all(said == quick for said in by_desk)
        before = self.asked
        general = self.general(wire, source, transport, now)
        if quick is not None:
            assert general is not None, "an answer to what is no query"
            assert self.asked == before, "the general path would have had to ask"
            assert quick.hex() == general[0].hex()
        elif general is not None:
            memo.remember(wire, general[0], general[1], general[2], int(now))
        return quick is not None

    def by_desk(self, wire: bytes, tick: int, source: str) -> list[bytes | None]:
        """The compiled way to the same memo, twice. It counts and ages as that does, and both are taken back."""
        if self.desk is None:
            return []
        store, said = self.wirecache._store, []
        kept = {**store._old, **store._young}
        for _ in range(2):
            before = [cell[0] for cell in self.wirecache.hits]
            said.append(self.desk.at(wire, tick, source))
            after = [cell[0] for cell in self.wirecache.hits]
            assert sum(after) - sum(before) == (said[-1] is not None)
            for cell, count in zip(self.wirecache.hits, before, strict=True):
                cell[0] = count
        for name in list(store._young):
            store.replace(name, kept[name])
        return said


def packet(
    name: str = "plain", qtype: str = "AAAA", flags: int = dns.flags.RD, edns: bool = True, payload: int = 1232, do: bool = False,
    options: Sequence[tuple[int, bytes]] = (), ident: int = 7, case: int = 0, tail: bytes = b"",
) -> bytes:  # fmt: skip
    full = name if name.endswith(".") else f"{name}.t.example."
    full = "".join(char.upper() if case >> place & 1 else char for place, char in enumerate(full))
    message = dns.message.make_query(full, qtype, id=ident)
    message.flags = dns.flags.Flag(flags)
    if edns:
        generic = [dns.edns.GenericOption(code, data) for code, data in options]
        message.use_edns(0, dns.flags.DO if do else 0, payload, options=generic)
    return message.to_wire() + tail


ASKED = [tuple(text.split()) for text in UPSTREAM if not text.startswith("force.f A")] + [
    ("force.f", "AAAA"), ("ipv4only.arpa.", "AAAA"), ("ipv4only.arpa.", "TXT"), ("x.ipv4only.arpa.", "A"),
    ("0.0.0.0.0.0.0.0.0.0.0.0.0.0.4.4.6.3.3.6.c.2.0.0.2.ip6.arpa.", "PTR"),
]  # fmt: skip
SOURCES = [
    ip_address(text)
    for text in ("2001:db8::1", "2001:db8:d::1", "2001:db8:6::1", "2001:db8:f::1", "2001:db8::53", "192.0.2.7")
]
ECS = (8, write_subnet(ip_network("2001:db8:d::/56")))
OPTIONS = [
    (),
    ((10, bytes(8)),),
    ((10, bytes(24)),),
    ((3, b""),),
    ((12, bytes(9)),),
    (ECS,),
    (ECS, (10, bytes(8))),
    ((8, b"x"),),
    ((10, b"short"),),
]
FLAGS = [
    dns.flags.RD,
    0,
    dns.flags.RD | dns.flags.CD,
    dns.flags.RD | dns.flags.AD,
    dns.flags.RD | 0x40,
    dns.flags.RD | dns.flags.TC,
]
