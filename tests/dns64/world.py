"""A small world for the decision core: upstream replies written as text, a query, and what came out as text.

Names are relative to `t.example.`; `@NODATA 300 300` and the like stand for usual replies.
"""

from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Any

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from kun_base.prefix import Prefix, sixtofour_prefix
from kun_dns64.formats import names
from kun_dns64.model.message import Ede, Edns, Query, Record, Response, Transport
from kun_dns64.model.question import CLASS_IN, Question, Rcode
from kun_dns64.model.rules import Rules
from kun_dns64.model.step import Ask, Drop, FailureKind, Heard, Reply, UpstreamFailure
from kun_dns64.policy.next_step import next_step

ORIGIN = dns.name.from_text("t.example.")
P = sixtofour_prefix(IPv4Address("198.51.100.64"))
CLIENT = IPv6Address("2001:db8::c")
NETWORKS6 = tuple(IPv6Network(n) for n in ("::ffff:0:0/96", "64:ff9b::/96"))
NEVER = tuple(IPv4Network(n) for n in ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4"))
RULES = Rules(
    generation=1,
    prefixes=(P,),
    exclude_aaaa=NETWORKS6,
    never_embed=NEVER,
    allow_clients=tuple(ip_network(n) for n in ("2001:db8::/32", "::1/128", "127.0.0.0/8")),
)

Outcome = Response | UpstreamFailure


def rules(**changes: Any) -> Rules:
    return replace(RULES, **changes)


def prefix(text: str) -> Prefix:
    return Prefix.parse(text)


def rtype(text: str) -> int:
    return int(dns.rdatatype.from_text(text))


def record(line: str) -> Record:
    """`w 3600 A 192.0.2.33`; the class may stand before the type."""
    owner, ttl, *rest = line.split()
    rclass = CLASS_IN
    if rest[0] in ("CH", "HS"):
        rclass = int(dns.rdataclass.from_text(rest.pop(0)))
    kind = rtype(rest[0])
    data = dns.rdata.from_text(dns.rdataclass.IN, kind, " ".join(rest[1:]), ORIGIN, relativize=False)
    name = dns.name.from_text(owner, ORIGIN).to_wire()
    assert name is not None
    return Record(name, kind, rclass, int(ttl), data.to_wire() or b"")


def records(text: str) -> tuple[Record, ...]:
    return tuple(record(line) for line in text.strip().splitlines() if line.strip())


def soa_line(ttl: int, minimum: int) -> str:
    return f"@ {ttl} SOA ns h 1 3600 600 86400 {minimum}"


def answer(
    text: str = "",
    authority: str = "",
    additional: str = "",
    rcode: int = 0,
    ad: bool = False,
    ede: tuple[int, ...] = (),
) -> Response:
    return Response(
        rcode, records(text), records(authority), records(additional), ad=ad, ede=tuple(Ede(code) for code in ede)
    )


def nodata(ttl: int = 300, minimum: int = 300, text: str = "", **more: Any) -> Response:
    return answer(text, soa_line(ttl, minimum), **more)


def bare_nodata(text: str = "") -> Response:
    return answer(text)


def nxdomain(ttl: int = 300, minimum: int = 300, text: str = "", **more: Any) -> Response:
    return answer(text, soa_line(ttl, minimum), rcode=Rcode.NXDOMAIN, **more)


def error(rcode: int = Rcode.SERVFAIL, ede: tuple[int, ...] = (), text: str = "") -> Response:
    return answer(text, rcode=rcode, ede=ede)


def lost(kind: FailureKind = FailureKind.TIMEOUT) -> UpstreamFailure:
    return UpstreamFailure(kind)


def query(name: str, qtype: str, qclass: int = CLASS_IN, do: bool = False, edns: bool = True, **more: Any) -> Query:
    wire = dns.name.from_text(name, ORIGIN).to_wire()
    assert wire is not None
    options = more.pop("options", ())
    opt = Edns(1232, 0, do, options) if edns else None
    more.setdefault("source", CLIENT)
    return Query(7, Question(wire, rtype(qtype), qclass), edns=opt, transport=Transport.UDP, **more)


@dataclass
class Run:
    """What came of a query: the reply, and every question asked on the way, as `name TYPE`."""

    reply: Reply | Drop
    asked: list[str] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    asks: list[Ask] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        assert isinstance(self.reply, Reply)
        return [show(one) for one in self.reply.answer]

    @property
    def rcode(self) -> str:
        assert isinstance(self.reply, Reply)
        return Rcode(self.reply.rcode).name

    @property
    def edes(self) -> list[int]:
        assert isinstance(self.reply, Reply)
        return [int(ede.code) for ede in self.reply.ede]

    @property
    def rule(self) -> str:
        return str(self.reply.rule.value)

    def section(self, name: str) -> list[str]:
        return [show(one) for one in getattr(self.reply, name)]


def show(one: Record) -> str:
    """`w 300 AAAA 2001:db8::1`, relative to the origin."""
    owner = dns.name.from_wire(one.name, 0)[0].relativize(ORIGIN)
    kind = dns.rdatatype.RdataType.make(one.rtype)
    data = dns.rdata.from_wire(dns.rdataclass.IN, kind, one.rdata, 0, len(one.rdata))
    return f"{owner} {one.ttl} {dns.rdatatype.to_text(kind)} {data.to_text(ORIGIN, relativize=True)}"


def run(
    asking: Query, upstream: dict[str, Outcome | Heard], under: Rules = RULES, now: float = 0.0, most: int = 2
) -> Run:
    """Perform every Ask from the table; a question that is not in it, or one more than `most`, fails the test."""
    result = Run(Drop(rule=None))
    while True:
        step = next_step(asking, tuple(result.heard), under, now)
        if not isinstance(step, Ask):
            result.reply = step
            return result
        assert len(result.heard) < most, f"a query needs at most {most} questions"
        asked = key(step.question)
        outcome = upstream[asked]
        if not isinstance(outcome, Heard):
            outcome = Heard(step.question, outcome)
        result.asked.append(asked)
        result.asks.append(step)
        result.heard.append(outcome._replace(question=step.question))


def key(question: Question) -> str:
    owner = dns.name.from_wire(question.name, 0)[0].relativize(ORIGIN)
    return f"{owner} {dns.rdatatype.to_text(dns.rdatatype.RdataType.make(question.qtype))}"


def wire_name(text: str) -> bytes:
    return names.from_text(text)
