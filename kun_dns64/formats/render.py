"""Decisions become packets: the reply to a client within its limits, and the question to an upstream.

Twin: fastpath/wire.pyx.
"""

from dataclasses import dataclass

from kun_dns64.formats.body import Body
from kun_dns64.formats.options import CLIENT_SUBNET, COOKIE, KEEPALIVE, PADDING, ede_option, find, option
from kun_dns64.formats.reply_size import PLAIN_UDP, offered
from kun_dns64.formats.wire import AA, AD, CD, DO, HEADER, OWN_PAYLOAD, QR, QTAIL, RA, RCODE_MASK, RD, RRHEAD, TC
from kun_dns64.model.message import Ede, Edns, Query, Transport
from kun_dns64.model.question import Question, Rcode, RRType
from kun_dns64.model.step import AskedFlags, Reply, Rule

TCP_MAX = 65535
PADDING_BLOCK = 468  # RFC 8467 section 4.1


@dataclass(frozen=True, slots=True)
class SizeLimits:
    """What this server sends at most by UDP, in bytes, and says so in its OPT; how long it keeps an idle stream."""

    udp_payload_max: int = OWN_PAYLOAD
    keepalive_s: float = 0.0


DEFAULT_LIMITS = SizeLimits()
UDP, TLS, OPT = Transport.UDP, Transport.TLS, RRType.OPT


def size_limit(query: Query, limits: SizeLimits = DEFAULT_LIMITS) -> int:
    """The most bytes this client can take (RFC 1035 section 4.2.1, RFC 6891 section 6.2.3)."""
    if query.transport is not UDP:
        return TCP_MAX
    if query.edns is None:
        return PLAIN_UDP
    return offered(query.edns.payload, limits.udp_payload_max)


def render(
    query: Query, reply: Reply, limits: SizeLimits = DEFAULT_LIMITS, cookie: bytes = b"", subnet: bytes = b""
) -> bytes:
    """The packet for the client. `cookie`, `subnet`: data of its options (RFC 7873, RFC 7871), b"" for none.

    What does not fit is left out in this order: extended errors, the additional section, the authority section of a
    positive answer without DNSSEC; then TC=1 with as many answer records as fit, for clients that know no TCP. What no
    transport can carry is SERVFAIL. (RFC 2181 section 9)
    """
    limit = size_limit(query, limits)
    body = Body(query.question, most=limit)
    body.sections(reply.answer, reply.authority, reply.additional)
    opt, truncated = b"", 0
    if query.edns is not None:
        own = _keepalive(query, limits)
        if subnet:
            own += option(CLIENT_SUBNET, subnet)
        if cookie:
            own += option(COOKIE, cookie)
        opt = _opt(query.edns, reply.rcode, limits, own, reply.ede)
        if reply.ede and len(body.out) + len(opt) > limit:
            opt = _opt(query.edns, reply.rcode, limits, own, ())
    if len(body.out) + len(opt) > limit and not body.fit(reply.answer, limit - len(opt), query.do):
        if limit == TCP_MAX:
            return render(query, too_large(), limits, cookie, subnet)
        truncated = TC
    if query.transport is TLS and query.edns is not None and find(query.edns.options, PADDING) is not None:
        opt = _padded(opt, len(body.out), limit)
    answer, authority, additional = body.counts
    questions = 1 if query.question.name else 0
    body.out[:12] = HEADER.pack(
        query.id, _flags(query, reply) | truncated, questions, answer, authority, additional + 1 if opt else additional
    )
    body.out += opt
    return bytes(body.out)


def too_large() -> Reply:
    """An answer that no message can carry (more AAAA than fit 64 KiB)."""
    return Reply(Rcode.SERVFAIL, Rule.TOO_LARGE, ede=(Ede(0, Rule.TOO_LARGE.value),))


def _flags(query: Query, reply: Reply) -> int:
    rcode = reply.rcode
    if rcode > RCODE_MASK:
        rcode = rcode & RCODE_MASK if query.edns is not None else Rcode.SERVFAIL  # no OPT, no place for the upper bits
    flags = QR | RA | rcode
    if query.rd:
        flags |= RD
    if query.cd:
        flags |= CD
    if reply.aa:
        flags |= AA
    return flags | AD if reply.ad else flags


def _keepalive(query: Query, limits: SizeLimits) -> bytes:
    """How long an idle connection stays, in tenths of a second, for who asks by a stream (RFC 7828 section 3.3)."""
    if query.transport is UDP or not limits.keepalive_s or query.edns is None:
        return b""
    if find(query.edns.options, KEEPALIVE) is None:
        return b""
    return option(KEEPALIVE, min(int(limits.keepalive_s * 10), 0xFFFF).to_bytes(2))


def _opt(edns: Edns, rcode: int, limits: SizeLimits, own: bytes, edes: tuple[Ede, ...]) -> bytes:
    """Our own OPT in answer to the query's (RFC 6891 section 6.1.1): DO is copied (RFC 3225), options are not.

    `own`: options behind the extended errors. The cookie comes last, so that a finished reply can be given another one.
    """
    data = b"".join([ede_option(ede) for ede in edes]) + own if edes else own
    ttl = rcode >> 4 << 24 | DO if edns.do else rcode >> 4 << 24
    return b"\x00" + RRHEAD.pack(OPT, limits.udp_payload_max, ttl, len(data)) + data


def _padded(opt: bytes, used: int, limit: int) -> bytes:
    """Up to a whole number of blocks; only over TLS, and only for a client that padded (RFC 7830 section 4)."""
    size = used + len(opt) + 4
    if size > limit:
        return opt
    fill = min(-size % PADDING_BLOCK, limit - size)
    length = int.from_bytes(opt[9:11]) + 4 + fill
    return opt[:9] + length.to_bytes(2) + opt[11:] + option(PADDING, bytes(fill))


def encode_ask(
    question: Question, flags: AskedFlags, ident: int, edns: bool = True, payload: int = OWN_PAYLOAD
) -> bytes:
    """The question for an upstream: RD=1, AD=1 to learn its verdict (RFC 6840 section 5.7), CD and DO as asked.

    For 0x20 the caller gives a question with a scrambled name. `edns` False: without OPT, for servers that choke on it.
    """
    bits = RD | AD | (CD if flags.cd else 0)
    head = HEADER.pack(ident, bits, 1, 0, 0, 1 if edns else 0) + question.name
    tail = QTAIL.pack(question.qtype, question.qclass)
    if not edns:
        return head + tail
    data = option(CLIENT_SUBNET, flags.subnet) if flags.subnet else b""
    return head + tail + b"\x00" + RRHEAD.pack(OPT, payload, DO if flags.do else 0, len(data)) + data
