"""The language between the decision core and the loop that performs its wishes.

`policy.next_step.next_step(query, heard, rules, now)` returns one of `Ask`, `Reply`, `Drop`. The loop answers an `Ask`
by looking in the cache, then upstream, and calls again with one `Heard` more per question asked.
"""

from enum import StrEnum
from typing import NamedTuple

from kun_dns64.model.message import Ede, Record, Response
from kun_dns64.model.question import Question


class FailureKind(StrEnum):
    """Why there is no usable reply. All count as SERVFAIL for RFC 6147 section 5.1.2.

    LOCAL: this machine could not ask, for want of a descriptor or a port. ZONE_SILENT: nothing in its zone was answered
    lately, so it was not asked.
    """

    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    LOCAL = "local"
    GARBAGE = "garbage"
    TRUNCATED = "truncated"
    LAME = "lame"
    CLOSED = "closed"
    NOT_CACHED = "not-cached"
    DISPLACED = "displaced"
    LIMITED = "limited"
    ZONE_SILENT = "zone-silent"


class UpstreamFailure(NamedTuple):
    kind: FailureKind
    detail: str = ""
    cached: bool = False


# Remembered of the zone, not of the name (RFC 9520 section 3).
SILENT_ZONE = UpstreamFailure(FailureKind.ZONE_SILENT, cached=True)


class AskedFlags(NamedTuple):
    """How a question is put upstream. Part of the cache key: CD=1 data never serves CD=0.

    `subnet`: the data of an EDNS client subnet option to send along (RFC 7871); b"": none.
    """

    cd: bool = False
    do: bool = False
    subnet: bytes = b""


class Heard(NamedTuple):
    """The outcome of one question. TTLs in `outcome` are already aged to the moment of `next_step`'s `now`.

    `stale`: the data had expired and is served under RFC 8767. `rtt_s`: seconds the upstream took; 0 from the cache.
    `refresh`: the loop should ask again in the background (prefetch, or the recheck of stale data). `steady_s`: for so
    many seconds from the whole second `tick` on, the cache will say the same, ageing; 0: it may not. `cut`: the answer
    has more records than these, which are as many as a reply by UDP can hold.
    """

    question: Question
    outcome: Response | UpstreamFailure
    stale: bool = False
    cached: bool = False
    upstream: str = ""
    rtt_s: float = 0.0
    refresh: bool = False
    steady_s: int = 0
    tick: int = -1
    cut: bool = False


class Ask(NamedTuple):
    """Put the question, and call again. `group` names the upstreams ("" is `[upstream]`).

    `meanwhile`: a question that may be put too, `stagger_ms` later, while the first is still open (RFC 6147 5.1.8); the
    loop keeps its outcome until it is asked for. `cached_only` (RD=0): look in the cache and nowhere else; a miss is an
    `UpstreamFailure` of kind NOT_CACHED.
    """

    question: Question
    flags: AskedFlags
    group: str = ""
    meanwhile: Question | None = None
    cached_only: bool = False


class Rule(StrEnum):
    """Which rule decided. One name for the metric label, the log field, the explanation and the test."""

    FORWARDED = "forwarded"
    REAL_AAAA = "real-aaaa"
    NXDOMAIN = "nxdomain"
    SYNTHESISED_NODATA = "synthesised-nodata"
    SYNTHESISED_ERROR = "synthesised-error"
    SYNTHESISED_TIMEOUT = "synthesised-timeout"
    SYNTHESISED_EXCLUDED = "synthesised-excluded"
    SYNTHESISED_FORCED = "synthesised-forced"
    NO_A = "no-a"
    A_FAILED = "a-failed"
    AAAA_FAILED = "aaaa-failed"
    NOT_FOR_CD = "not-for-cd"
    NOT_FOR_ZONE = "not-for-zone"
    NOT_FOR_CLIENT = "not-for-client"
    NOT_FOR_CLASS = "not-for-class"
    NOT_SIGNED_OVER = "not-signed-over"
    GATEWAY_DOWN = "gateway-down"
    IPV4_DENIED = "ipv4-denied"
    FILTERED_A = "filtered-a"
    LOCAL_DISCOVERY = "local-discovery"
    LOCAL_REVERSE = "local-reverse"
    LOCAL_SPECIAL = "local-special"
    LOCAL_CHAOS = "local-chaos"
    REVERSE = "reverse"
    REFUSED_CLIENT = "refused-client"
    RATE_LIMITED = "rate-limited"
    DISPLACED = "displaced"
    NOT_RECURSIVE = "not-recursive"
    DNSSEC_FAILURE = "dnssec-failure"
    UPSTREAM_FAILED = "upstream-failed"
    MALFORMED = "malformed"
    NOT_IMPLEMENTED = "not-implemented"
    BAD_VERSION = "bad-version"
    BAD_COOKIE = "bad-cookie"
    TOO_LARGE = "too-large"
    LOOP = "loop"
    COOKIE_ONLY = "cookie-only"


class Note(NamedTuple):
    """One line of an explanation: what was looked at, what followed, and the section that says so."""

    text: str
    source: str = ""


class Reply(NamedTuple):
    """The decided answer. Everything but id, transport limits and EDNS transport options, which the renderer adds.

    `stale`: some of it had expired (RFC 8767). `shadow`: what shadow mode would have answered instead. `steady_s`: for
    so many seconds from now the synthesised TTL stays as it is, because a fixed cap bounds it; 0: it counts down.
    """

    rcode: int
    rule: Rule
    answer: tuple[Record, ...] = ()
    authority: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = ()
    aa: bool = False
    ad: bool = False
    ede: tuple[Ede, ...] = ()
    stale: bool = False
    shadow: tuple[Record, ...] = ()
    steady_s: int = 0


class Drop(NamedTuple):
    """Say nothing (a reply must not be answered, RFC 1035 section 4.1.1; rate limits)."""

    rule: Rule


class Malformed(NamedTuple):
    """A packet that is not a question we can take. `wire` is the finished error reply (RFC 1035 section 4.1.1)."""

    rcode: int
    rule: Rule
    wire: bytes


Step = Ask | Reply | Drop
