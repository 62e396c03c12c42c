# cython: annotation_typing=False
"""How long answers live (RFC 6147 section 5.1.7, RFC 2308 sections 3 and 5, RFC 2181 section 5.2, RFC 8767).

One source for both builds: the compiled path calls the arithmetic as C (lifetime.pxd). All of it is in seconds.
"""

from typing import NamedTuple

from kun_dns64.model.message import Record, Response
from kun_dns64.model.question import Question, Rcode, RRType
from kun_dns64.model.rules import Rules
from kun_dns64.model.step import Heard
from kun_dns64.policy.chain import at_end, follow

WITHOUT_SOA_S = 600
# RFC 8767 section 4. The TTL is 31 bits wide.
MAX_TTL = 604800
CLAMP_S = 30
LOCAL_S = 600
NO_CAP = 1 << 31
# The last tenth of a lifetime is when a used answer is fetched anew.
PREFETCH_PART = 10
# Bound once: in CPython 3.11 reading a member off an enum costs 0.1 microseconds (so in every file on a query's path).
SOA, ANY = RRType.SOA, RRType.ANY
NXDOMAIN = Rcode.NXDOMAIN

Records = tuple[Record, ...]


class Ttl(NamedTuple):
    """Seconds. `steady_s`: so long the TTL stays as it is, because a fixed cap bounds it and not the data."""

    ttl: int
    steady_s: int = 0


class Begun(NamedTuple):
    """An answer at the start of its life, and the seconds it may be kept; 0: not at all."""

    response: Response
    lifetime_s: int


def received_ttl(ttl: int, most: int, age: int) -> int:
    """Return what is left of a TTL after `age` seconds: `most` at first; above 2**31-1 is 0 (RFC 2181 section 8)."""
    if ttl > most:
        ttl = 0 if ttl & 0x80000000 else most
    return ttl - age if ttl > age else 0


def soa_ttl(ttl: int, minimum: int) -> int:
    """Return how long a denial may live: its SOA's TTL or MINIMUM, whichever is less (RFC 2308 section 5)."""
    return ttl if ttl < minimum else minimum


def capped_ttl(counting: int, cap: int) -> int:
    """Return the TTL of a synthesised answer: what the data has left, `cap` at most."""
    return counting if counting < cap else cap


def steady_seconds(counting: int, cap: int) -> int:
    """Return how long that TTL stays as it is, because the cap bounds it and not the data; 0: it counts down."""
    return counting - cap if counting > cap else 0


def due_age(lifetime: int, part: int) -> int:
    """Return the age from which a use of an answer fetches it anew: one in the last of `part` parts of its lifetime."""
    return lifetime - (lifetime + part - 1) // part + 1


def reply_lifetime(steady_s: int, own_steady_s: int, least_ttl: int) -> int:
    """Return how long a finished reply may be given: no longer than the cache says the same, and no TTL runs out.

    `own_steady_s`: of `Ttl`; in the second in which it ends the TTL is still the same.
    """
    if own_steady_s and own_steady_s + 1 < steady_s:
        steady_s = own_steady_s + 1
    return steady_s if steady_s < least_ttl else least_ttl


def soa_lifetime(record: Record) -> int:
    """Return what a negative answer with this SOA may live."""
    return soa_ttl(record.ttl, int.from_bytes(record.rdata[-4:]))


def begin(question: Question, response: Response, max_ttl_s: int) -> Begun:
    """No TTL above the operator's, no denial's SOA above its MINIMUM; data lives by its least TTL, a denial by its SOA.

    From now on every TTL only counts down, so a negative TTL is never counted twice. A denial without SOA is not kept
    (RFC 2308 section 5).
    """
    answer, least = _bounded(response.answer, max_ttl_s)
    additional, _ = _bounded(response.additional, max_ttl_s)
    authority, _ = _bounded(response.authority, max_ttl_s)
    if not _is_positive(question, response):
        lifetime = 0
        if authority:
            authority = _soa_bounded(authority)
            lifetime = min([record.ttl for record in authority if record.rtype == SOA], default=0)
        if not lifetime and _is_alias_alone(question, response):
            lifetime = least
        least = min(least, lifetime)
    if answer is not response.answer or authority is not response.authority or additional is not response.additional:
        response = response._replace(answer=answer, authority=authority, additional=additional)
    return Begun(response, least)


def _soa_bounded(authority: Records) -> Records:
    if all([record.rtype != SOA or soa_lifetime(record) == record.ttl for record in authority]):
        return authority
    return tuple([r._replace(ttl=soa_lifetime(r)) if r.rtype == SOA else r for r in authority])


def _bounded(records: Records, ttl: int) -> tuple[Records, int]:
    """The records with no TTL above `ttl`, the same tuple where none was; and the least TTL, `ttl` without records."""
    least, above = ttl, False
    for record in records:
        if record.ttl > ttl:
            above = True
        elif record.ttl < least:
            least = record.ttl
    if above:
        records = tuple([record if record.ttl <= ttl else record._replace(ttl=ttl) for record in records])
    return records, least


def _is_positive(question: Question, response: Response) -> bool:
    """Data of the asked type where the chain ends, whatever stands beside it."""
    answer = response.answer
    if response.rcode == NXDOMAIN or not answer:
        return False
    return question.qtype == ANY or bool(at_end(question, follow(question, answer), answer))


def _is_alias_alone(question: Question, response: Response) -> bool:
    """An alias is data, whatever its target has; a denial without SOA is not kept (RFC 2308 section 5)."""
    if response.rcode or any(record.rtype == SOA for record in response.authority):
        return False
    return bool(follow(question, response.answer).links)


def denial_lifetime(response: Response) -> int | None:
    """What is left of a denial: the TTL of its SOA, which `begin` or `of_stale` has set; None without an SOA.

    Of two SOA records, which no server should send, the shorter-lived counts.
    """
    found = [record.ttl for record in response.authority if record.rtype == SOA]
    return min(found) if found else None


def synthesis_ttl(addresses: Records, aaaa: Response | None, excluded: Records, clamp: bool) -> Ttl:
    """How long AAAA made of these A may live (decisions of RFC 6147 sections 5.1.2 to 5.1.7).

    `aaaa`: the denial; None for an error or no reply. `excluded`: real AAAA records that counted as absent. `clamp`: a
    gateway is going, clients shall ask again soon.
    """
    counting = min([record.ttl for record in addresses])
    fixed = CLAMP_S if clamp else NO_CAP
    denial = denial_lifetime(aaaa) if aaaa is not None and not excluded else None
    if denial is not None:
        counting = min(counting, denial)
    else:
        fixed = min(fixed, WITHOUT_SOA_S)
        counting = min([record.ttl for record in (*addresses, *excluded)])
    return Ttl(capped_ttl(counting, fixed), steady_seconds(counting, fixed))


class Passing(NamedTuple):
    """Records that depend on a state of ours which passes, and for how long their TTL stays as it is."""

    records: Records
    steady_s: int


def passing(records: Records, rtype: int = ANY) -> Passing:
    """Those of the type (ANY: all) with one TTL, CLAMP_S at most: nobody may go by them when the state is long over."""
    least = min([record.ttl for record in records if rtype in (ANY, record.rtype)], default=0)
    ttl = min(least, CLAMP_S)
    bounded = [record._replace(ttl=ttl) if rtype in (ANY, record.rtype) else record for record in records]
    return Passing(tuple(bounded), least - ttl)


def with_ttl(records: Records, ttl: int) -> Records:
    return tuple([record if record.ttl == ttl else record._replace(ttl=ttl) for record in records])


def of_stale(response: Response, ttl: int) -> Response:
    """Data past its time, with the one lifetime it may still have (RFC 8767 section 4)."""
    return response._replace(
        answer=with_ttl(response.answer, ttl),
        authority=with_ttl(response.authority, ttl),
        additional=with_ttl(response.additional, ttl),
    )


def current(heard: Heard, rules: Rules) -> Heard:
    """With the TTLs that count: of stale data the one it may have, of new data what we allow it to begin with."""
    outcome = heard.outcome
    if not isinstance(outcome, Response) or (heard.cached and not heard.stale):
        return heard
    if heard.stale:
        return heard._replace(outcome=of_stale(outcome, rules.stale_ttl_s))
    begun = begin(heard.question, outcome, rules.max_ttl_s).response
    return heard if begun is outcome else heard._replace(outcome=begun)
