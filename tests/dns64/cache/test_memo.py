"""The wire cache is a memo: whatever it answers, the general path answers too, byte for byte.

Both are driven with the same packets at the same times over upstreams of every shape; the general path must not even
have to ask for what the memo answered.
"""

# ruff: noqa: E501 - a row stays on one line

from ipaddress import ip_address, ip_network

import dns.edns
import dns.flags
import dns.message
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kun_dns64.cache import reply_cache as memo
from kun_dns64.cache.reply_store import ReplyCache
from kun_dns64.formats.client_subnet import write_subnet
from kun_dns64.model.message import Transport

from .memoworld import ASKED, FLAGS, OPTIONS, RULE_SETS, SOURCES, Server, packet

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
def test_the_memo_and_the_general_path_say_the_same(name: str, walk: list[tuple], begin: float) -> None:
    server, now = Server(RULE_SETS[name]), begin
    for asked, flags, options, payload, do, case, source, transport, wait in walk:
        wire = packet(asked[0], asked[1], flags, options is not None, payload, do, options or (), case & 0xFFFF, case)
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
    name, qtype = asked.split()
    assert not server.compare(packet(name, qtype), SOURCES[0], Transport.UDP, 1000)
    assert server.compare(packet(name, qtype, ident=9), SOURCES[0], Transport.UDP, 1003)
    assert server.compare(packet(name, qtype, case=0x5A5A), SOURCES[0], Transport.UDP, 1003)


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


@pytest.mark.parametrize("fault", ["age", "case", "cookie", "steady"])
def test_the_comparison_notices_a_planted_difference(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each fault is one somebody could make; the comparison above would fail on it."""
    server = Server(RULE_SETS["clamped" if fault == "steady" else "usual"])
    options = ((10, bytes(8)),) if fault == "cookie" else ()
    if fault == "age":
        aged = memo._aged
        monkeypatch.setattr(memo, "_aged", lambda value, start, tick: aged(value, start, tick + 1))
    elif fault == "case":
        quick = ReplyCache.quick
        monkeypatch.setattr(
            ReplyCache, "quick", lambda self, wire, tick, source: quick(self, wire.lower(), tick, source)
        )
    elif fault == "cookie":
        server.memos = server.wirecache.memos(server.under, lambda data, source: bytes(24))
    else:
        monkeypatch.setattr(memo, "_is_steady", lambda reply, place: False)
    server.compare(packet(case=3, options=options), SOURCES[0], Transport.UDP, 1000)
    with pytest.raises(AssertionError):
        server.compare(packet(case=3, options=options), SOURCES[0], Transport.UDP, 1003)
