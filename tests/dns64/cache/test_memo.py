"""The wire cache is a memo: whatever it answers, the general path answers too, octet for octet.

Both are driven with the same packets at the same times over upstreams of every shape; the general path must not even
have to ask for what the memo answered.
"""

# ruff: noqa: E501 - a row stays on one line

from collections.abc import Sequence
from ipaddress import ip_address, ip_network

import dns.flags
import dns.message
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kun_dns64.formats.cookies import reply_cookie
from kun_dns64.formats.ecs import write_subnet
from kun_dns64.formats.query import parse_query
from kun_dns64.formats.render import render
from kun_dns64.model.message import Edns, IPAddress, Query, Transport
from kun_dns64.model.question import NO_QUESTION
from kun_dns64.model.rules import ClientPolicy, GatewayDown, Pool, Rules, Zone, ZoneMode
from kun_dns64.model.step import Ask, FailureKind, Heard, Reply
from kun_dns64.policy import memo
from kun_dns64.policy.cache import Cache
from kun_dns64.policy.next_step import next_step
from kun_dns64.policy.wirecache import RULES, Memo, WireCache

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
    "stopped": rules(pools_down=frozenset(("",)), on_gateway_down=GatewayDown.STOP),
    "shadow": rules(shadow=True),
    "strict": rules(strict_dnssec=True),
    "ecs-upstream": rules(client_subnet=True, trust_ecs_from=(ip_network("2001:db8::53/128"),)),
}


class Server:
    """A shell without sockets: general path behind a memo, one cache, a table for upstream."""

    def __init__(self, under: Rules) -> None:
        self.under = under
        self.cache = Cache()
        self.wirecache = WireCache(1000, 1 << 20)
        self.memos = self.wirecache.memos(under, self.bake)
        self.asked = 0

    @staticmethod
    def bake(data: bytes, source: str) -> bytes:
        query = Query(0, NO_QUESTION, edns=Edns(512, options=((10, data),)), source=ip_address(source))
        return reply_cookie(query, SECRETS, UNIX_S)

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
        return render(query, step, cookie=reply_cookie(query, SECRETS, UNIX_S)), step, heard

    def _perform(self, ask: Ask, now: float) -> Heard:
        known = self.cache.lookup(ask.question, ask.flags, ask.group, now)
        if known is not None and not known.refresh:
            return known
        if ask.cached_only:
            return Heard(ask.question, lost(FailureKind.NOT_CACHED))
        self.asked += 1
        lower = ask.question._replace(name=ask.question.name.lower())
        return self.cache.settle(ask.question, ask.flags, ask.group, UPSTREAM.get(key(lower), nodata()), now)

    def compare(self, wire: bytes, source: IPAddress, transport: Transport, now: float) -> bool:
        """One packet by both paths; True if the memo had it."""
        memo = self.memos.of(source, transport)
        quick = memo.quick(wire, int(now), str(source))
        before = self.asked
        general = self.general(wire, source, transport, now)
        if quick is not None:
            assert general is not None, "an answer to what is no query"
            assert self.asked == before, "the general path would have had to ask"
            assert quick.hex() == general[0].hex()
        elif general is not None:
            memo.remember(wire, general[0], general[1], general[2], int(now))
        return quick is not None


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

steps = st.tuples(
    st.sampled_from(ASKED),
    st.sampled_from(FLAGS) | st.just(dns.flags.RD),
    st.sampled_from([None, *OPTIONS]),
    st.sampled_from([0, 512, 600, 1232, 4096]),
    st.booleans(),
    st.integers(0, 255),
    st.sampled_from(SOURCES),
    st.sampled_from(list(Transport)),
    st.sampled_from([0.0, 0.3, 0.9, 1.0, 5.5, 29.0, 31.0, 60.0, 250.0]),
)


@settings(max_examples=50)
@given(st.sampled_from(list(RULE_SETS)), st.lists(steps, min_size=5, max_size=40), st.floats(1000, 1001))
def test_the_memo_and_the_general_path_say_the_same(name: str, walk: list[tuple], begin: float) -> None:  # type: ignore[type-arg]
    server, now = Server(RULE_SETS[name]), begin
    for asked, flags, options, payload, do, case, source, transport, wait in walk:
        wire = packet(*asked, flags, options is not None, payload, do, options or (), case & 0xFFFF, case)
        server.compare(wire, source, transport, now)
        server.compare(wire, source, transport, now + 0.01)
        now += wait


@pytest.mark.parametrize("name", ["usual", "clamped"])
@pytest.mark.parametrize("asked", ASKED, ids=" ".join)
def test_every_age_of_every_shape(name: str, asked: tuple[str, str]) -> None:
    server = Server(RULE_SETS[name])
    wires = [packet(*asked), packet(*asked, case=0b1010101), packet(*asked, do=True)]
    ages = [
        *range(8),
        19,
        20,
        21,
        29,
        30,
        31,
        *range(38, 46),
        59,
        60,
        63,
        64,
        69,
        70,
        90,
        91,
        99,
        100,
        101,
        299,
        300,
        301,
        640,
        700,
    ]
    for age in ages:
        for wire in wires:
            server.compare(wire, SOURCES[0], Transport.UDP, 1000.7 + age)


ALWAYS = ["plain AAAA", "real AAAA", "cname AAAA", "plain TXT", "mixed AAAA", "gone AAAA", "none AAAA", "denied AAAA", "ipv4only.arpa. AAAA", "mapped AAAA", "force.f AAAA"]  # fmt: skip


@pytest.mark.parametrize("asked", ALWAYS)
def test_common_shapes_are_answered_by_the_memo_from_the_second_query_on(asked: str) -> None:
    server = Server(RULE_SETS["usual"])
    asking = tuple(asked.split())
    assert not server.compare(packet(*asking), SOURCES[0], Transport.UDP, 1000)
    assert server.compare(packet(*asking, ident=9), SOURCES[0], Transport.UDP, 1003)
    assert server.compare(packet(*asking, case=0x5A5A), SOURCES[0], Transport.UDP, 1003)


def test_a_clamped_answer_stays_in_the_memo() -> None:
    server = Server(RULE_SETS["clamped"])
    hits = [server.compare(packet(), SOURCES[0], Transport.UDP, 1000 + age) for age in range(65)]
    assert hits.count(False) <= 2


@pytest.mark.parametrize(
    "options", [((10, bytes(8)),), ((10, bytes(24)),), ((3, b""),)], ids=["client-cookie", "server-cookie", "nsid"]
)
def test_clients_with_cookies_and_options_do_not_fall_off(options: tuple[tuple[int, bytes], ...]) -> None:
    server = Server(RULE_SETS["usual"])
    server.compare(packet(options=options), SOURCES[0], Transport.UDP, 1000)
    assert server.compare(packet(options=options, case=77), SOURCES[0], Transport.UDP, 1002)
    other = tuple((code, bytes(reversed(range(len(data))))) for code, data in options)
    assert server.compare(packet(options=other), ip_address("2001:db8::2"), Transport.UDP, 1002)


def test_a_cookie_belongs_to_its_source() -> None:
    server = Server(RULE_SETS["usual"])
    wire = packet(options=((10, bytes(8)),))
    server.compare(wire, SOURCES[0], Transport.UDP, 1000)
    memo = server.memos.of(SOURCES[0], Transport.UDP)
    first, second = memo.quick(wire, 1000, "2001:db8::1"), memo.quick(wire, 1000, "2001:db8::2")
    assert first is not None
    assert second is not None
    assert first[-24:-16] == second[-24:-16]
    assert first[-8:] != second[-8:]


def test_pods_named_by_a_trusted_forwarder_have_their_own_memo() -> None:
    server = Server(RULE_SETS["usual"])
    forwarder = SOURCES[4]
    for subnet, count in (("2001:db8:d::/56", 0), ("2001:db8:e::/56", 1)):
        wire = packet(options=((8, write_subnet(ip_network(subnet))),))
        assert not server.compare(wire, forwarder, Transport.UDP, 1000)
        assert server.compare(wire, forwarder, Transport.UDP, 1001)
        quick = server.memos.of(forwarder, Transport.UDP).quick(wire, 1001, str(forwarder))
        assert quick is not None
        assert bool(dns.message.from_wire(quick).answer) == bool(count)


def test_new_rules_void_the_memo() -> None:
    server = Server(RULE_SETS["usual"])
    server.compare(packet(), SOURCES[0], Transport.UDP, 1000)
    fresh = server.wirecache.memos(rules(prefixes=(OTHER,)), server.bake)
    assert fresh.of(SOURCES[0], Transport.UDP).quick(packet(), 1000, "2001:db8::1") is None


def test_strangers_leave_no_trace() -> None:
    server = Server(RULE_SETS["usual"])
    assert not server.compare(packet(), SOURCES[5], Transport.UDP, 1000)
    assert not server.compare(packet(), SOURCES[5], Transport.UDP, 1000)
    assert len(server.wirecache) == 0


def test_types_that_look_alike_without_case_are_kept_apart() -> None:
    server = Server(RULE_SETS["usual"])
    server.compare(packet("plain", "HTTPS"), SOURCES[0], Transport.UDP, 1000)
    wire = packet("plain", "HTTPS").replace(b"\x00\x41\x00\x01", b"\x00\x61\x00\x01")
    assert server.memos.of(SOURCES[0], Transport.UDP).quick(wire, 1000, "2001:db8::1") is None


def test_a_name_that_holds_the_octets_of_options_is_another_name() -> None:
    """A label may hold a zero octet, a question's tail and the head of an OPT record."""
    from kun_dns64.formats.memokey import memo_key

    inside = b"\x00\x00\x1c\x00\x01\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x09"
    label = b"plain" + inside + b"\x00\x03\x00\x05hello"
    wire = (
        packet()[:2]
        + b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01"
        + bytes((len(label),))
        + label
        + b"\x00\x00\x1c\x00\x01"
    )
    assert memo_key(wire + b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00") is None


@pytest.mark.parametrize("tail", [b"\xff\x00", b"\xff\x01", b"\xff\xff", b"\x00\x01", b""])
@pytest.mark.parametrize("options", [((10, bytes(8)),), ((3, b""),), ()])
def test_a_malformed_option_length_never_spells_the_key_of_another_packet(
    tail: bytes, options: tuple[tuple[int, bytes], ...]
) -> None:
    """Found by mutation: an OPT that announces 0xff00 octets and ends there had the key of one with options."""
    server = Server(RULE_SETS["usual"])
    server.compare(packet(options=options), SOURCES[0], Transport.UDP, 1000)
    malformed = packet()[:-2] + tail
    assert server.memos.of(SOURCES[0], Transport.UDP).quick(malformed, 1000, "2001:db8::1") is None


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_memo(wire: bytes) -> None:
    server = Server(RULE_SETS["usual"])
    for begin in (b"", packet()[:12]):
        for one in (server.memos.of(SOURCES[0], Transport.UDP), server.memos.of(SOURCES[4], Transport.TLS)):
            assert one.quick(begin + wire, 1000, "2001:db8::1") is None


@given(st.integers(0, 60), st.binary(min_size=1, max_size=4))
def test_a_changed_packet_is_never_taken_for_a_kept_one(place: int, octets: bytes) -> None:
    server = Server(RULE_SETS["usual"])
    wire = packet(options=((10, bytes(8)),))
    server.compare(wire, SOURCES[0], Transport.UDP, 1000)
    changed = wire[:place] + octets + wire[place + len(octets) :]
    quick = server.memos.of(SOURCES[0], Transport.UDP).quick(changed, 1000, "2001:db8::1")
    if quick is not None:
        general = server.general(changed, SOURCES[0], Transport.UDP, 1000)
        assert general is not None
        assert quick == general[0]


def test_hits_are_counted_by_rule() -> None:
    server = Server(RULE_SETS["usual"])
    for _ in range(4):
        server.compare(packet(), SOURCES[0], Transport.UDP, 1000)
    counts = {RULES[place].value: cell[0] for place, cell in enumerate(server.wirecache.hits) if cell[0]}
    assert counts == {"synthesised-nodata": 3}


@pytest.mark.parametrize("fault", ["age", "case", "cookie", "steady"])
def test_the_comparison_notices_a_planted_difference(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each fault is one somebody could make; the comparison above would fail on it."""
    server = Server(RULE_SETS["clamped" if fault == "steady" else "usual"])
    options = ((10, bytes(8)),) if fault == "cookie" else ()
    if fault == "age":
        aged = memo._aged
        monkeypatch.setattr(memo, "_aged", lambda value, start, tick: aged(value, start, tick + 1))
    elif fault == "case":
        quick = Memo.quick
        monkeypatch.setattr(Memo, "quick", lambda self, wire, tick, source: quick(self, wire.lower(), tick, source))
    elif fault == "cookie":
        server.memos = server.wirecache.memos(server.under, lambda data, source: bytes(24))
    else:
        monkeypatch.setattr(memo, "_is_steady", lambda reply, place: False)
    server.compare(packet(case=3, options=options), SOURCES[0], Transport.UDP, 1000)
    with pytest.raises(AssertionError):
        server.compare(packet(case=3, options=options), SOURCES[0], Transport.UDP, 1003)
