"""What the miss path says where nobody will answer: what the general path does, byte for byte."""

from ipaddress import ip_address
from time import monotonic, sleep
from types import SimpleNamespace
from typing import Any

import pytest

from kun_dns64.formats.query import parse_query
from kun_dns64.formats.render import SizeLimits, render
from kun_dns64.model.message import Query, Transport
from kun_dns64.model.question import RRType
from kun_dns64.model.step import SILENT_ZONE, Ask, Heard, Reply
from kun_dns64.policy.client_share import DISPLACED_AFTER_S
from kun_dns64.policy.forward import DISPLACED
from kun_dns64.policy.next_step import next_step
from kun_dns64.policy.zone_share import FREE

from ..world import ORIGIN
from .memoworld import packet
from .missworld import ALL_RULES, COOKIE, SOURCE, Quick, question_of, upstream
from .waitingworld import early_in_a_second

A, AAAA = RRType.A, RRType.AAAA
ZONE = ORIGIN.to_wire() or b""
LONG_AGO_S = 5.0
SHAPES = [
    packet("lean", qtype, 0x0100, edns, 1232, do, options, 3, 77)
    for qtype in ("A", "AAAA")
    for edns, do, options in ((False, False, ()), (True, False, ()), (True, True, ()), (True, False, COOKIE))
]


@pytest.fixture(autouse=True)
def _time_enough() -> None:
    early_in_a_second()


def rendered(quick: Quick, wire: bytes, reply: Reply) -> bytes:
    query = parse_query(wire, Transport.UDP, ip_address(SOURCE))
    assert isinstance(query, Query)
    data = [data for code, data in (query.edns.options if query.edns else ()) if code == 10]
    cookie = quick.lookup.cookie(data[0], SOURCE) if data else b""
    return render(query, reply, SizeLimits(quick.payload_max), cookie)


def of_a_silent_zone(quick: Quick, wire: bytes) -> Reply:
    """What the general path decides where each question is refused."""
    query = parse_query(wire, Transport.UDP, ip_address(SOURCE))
    assert isinstance(query, Query)
    heard: list[Heard] = []
    while isinstance(step := next_step(query, heard, quick.under, monotonic()), Ask):
        heard.append(Heard(step.question, SILENT_ZONE, cached=True))
    assert isinstance(step, Reply)
    return step


def use_up(quick: Quick, since_s: float = 0.0) -> None:
    """No question in the zone may go on, nor may one for a while: nothing was answered there for so long."""
    zones, now = quick.resolver.upstreams.zones, monotonic()
    while zones.goes_on(b"\x01n" + ZONE, "", now - since_s, now, None) != FREE:
        pass
    for zone in zones._groups[""].values():
        zone.per_s = 0.0


def silence(quick: Quick) -> None:
    use_up(quick, LONG_AGO_S)


class Giving:
    """A miss path whose questions are never answered; `time_out` is the upstream's timeout."""

    def __init__(self, stagger_s: float = 0.0) -> None:
        self.quick, self.calls, self.said = Quick(ALL_RULES["short"]), list[Any](), list[bytes]()
        loop = SimpleNamespace(call_later=lambda delay, call: self.calls.append(call), call_soon=self.calls.append)
        self.quick.start(loop, longest_s=2 * stagger_s, stagger_s=stagger_s)

    def take(self, wire: bytes) -> None:
        assert self.quick.path.take(wire, SOURCE, self.said.append)

    def time_out(self, name: str = "look") -> None:
        due = [call for call in self.calls if call.__name__ == name]
        self.calls = [call for call in self.calls if call.__name__ != name]
        for call in due:
            call()

    def nothing_is_out(self) -> None:
        upstreams = self.quick.resolver.upstreams
        assert not upstreams.observed.out
        assert not upstreams.in_flight
        assert not upstreams.upstream.out
        assert self.quick.path.pending == 0


@pytest.mark.parametrize("wire", SHAPES)
def test_a_silent_zone_is_refused_as_the_general_path_does(wire: bytes) -> None:
    quick, said = Quick(ALL_RULES["short"]), list[bytes]()
    silence(quick)
    assert quick.path.take(wire, SOURCE, said.append)
    (reply,) = said
    assert reply.hex() == rendered(quick, wire, of_a_silent_zone(quick, wire)).hex()
    assert quick.resolver.upstreams.upstream.sent() == []
    assert quick.resolver.upstreams.refused == 1
    assert quick.path.pending == 0
    assert sum(quick.path.counted()[0].values()) == 1


@pytest.mark.parametrize("wire", SHAPES)
def test_a_share_that_is_used_up_ends_a_question_at_its_timeout(wire: bytes) -> None:
    giving = Giving()
    giving.take(wire)
    use_up(giving.quick)
    giving.time_out()
    (reply,) = giving.said
    assert reply.hex() == rendered(giving.quick, wire, DISPLACED).hex()
    assert giving.quick.resolver.upstreams.displaced == 1
    giving.nothing_is_out()


def test_a_question_within_the_share_goes_on_in_the_general_way() -> None:
    giving = Giving()
    giving.take(SHAPES[0])
    giving.time_out()
    assert giving.quick.resolver.upstreams.adopted
    assert giving.said == []


def test_an_aaaa_that_is_given_up_is_a_failed_one_where_the_a_is_known() -> None:
    """Servers that never answer AAAA are many: the general path makes the AAAA of the A (RFC 6147 section 5.1.2)."""
    giving = Giving(stagger_s=1e-9)
    giving.take(SHAPES[4])
    giving.time_out("_ask_beside")
    (sent,) = [wire for wire in giving.quick.resolver.upstreams.observed.out if question_of(wire).qtype == A]
    giving.quick.resolver.upstreams.upstream.out[int.from_bytes(sent[:2])].received(upstream(sent, question_of(sent)))
    use_up(giving.quick)
    giving.time_out()
    assert giving.said == []
    assert giving.quick.resumed_with[-1] is True
    giving.nothing_is_out()


def test_what_the_cache_has_of_a_silent_zone_is_answered() -> None:
    quick, wire = Quick(ALL_RULES["short"]), SHAPES[5]
    known = quick.ask(wire, SOURCE, upstream)
    silence(quick)
    said: list[bytes] = []
    assert quick.path.take(wire, SOURCE, said.append)
    assert said == [known]


def test_an_answer_ends_the_silence_of_its_zone() -> None:
    quick, said, asked = Quick(ALL_RULES["short"]), list[bytes](), SHAPES[0]
    assert quick.path.take(asked, SOURCE, said.append)
    silence(quick)
    (sent,) = quick.resolver.upstreams.upstream.sent()
    quick.resolver.upstreams.upstream.out[int.from_bytes(sent[:2])].received(upstream(sent, question_of(sent)))
    other = packet("deep", "A", 0x0100, False, 0, False, (), 0, 1)
    assert quick.path.take(other, SOURCE, said.append)
    assert len(quick.resolver.upstreams.upstream.sent()) == 1


def test_too_many_that_are_out_go_without_a_share() -> None:
    giving = Giving()
    for number in range(60):
        giving.take(packet(f"n{number}", "A", 0x0100, False, 0, False, (), 0, number))
    use_up(giving.quick)
    sleep(1.1 * DISPLACED_AFTER_S)
    giving.time_out("_make_room")
    left = giving.quick.resolver.upstreams.most // 4
    assert len(giving.said) == 60 - left
    assert len(giving.quick.resolver.upstreams.in_flight) == left
    giving.time_out()
    giving.nothing_is_out()


def test_a_late_answer_is_no_guess() -> None:
    """Else a slow zone closes the ports of all others."""
    giving = Giving()
    giving.take(SHAPES[0])
    server = giving.quick.resolver.upstreams.upstream
    (port,) = [port for port in server.pool.ports.values() if port.out]
    (sent,) = giving.quick.resolver.upstreams.observed.out
    use_up(giving.quick)
    giving.time_out()
    guesses: list[int] = []
    server.observed.wrong_replies = 0
    _, asked_from = server.server.recvfrom(4096)
    for _ in range(2):
        server.server.sendto(upstream(sent, question_of(sent)), asked_from)
        port.read_waiting()
        guesses.append(server.observed.wrong_replies)
    assert guesses == [0, 1]


@pytest.mark.parametrize("wire", SHAPES)
def test_servfail_counts_as_no_answer(wire: bytes) -> None:
    """An upstream that remembers the failure of a zone answers SERVFAIL at once."""
    giving = Giving()
    giving.take(wire)
    silence(giving.quick)
    upstreams = giving.quick.resolver.upstreams
    (sent,) = upstreams.observed.out
    failure = sent[:2] + b"\x81\x82\x00\x01" + bytes(6) + sent[12:-11]
    assert upstreams.upstream.out[int.from_bytes(sent[:2])].received(failure)
    (reply,) = giving.said
    assert reply.hex() == rendered(giving.quick, wire, DISPLACED).hex()
    giving.nothing_is_out()
