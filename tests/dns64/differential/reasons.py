"""The tests behind the rules: what two replies must look like for a difference to be right.

A reason says what ours must be, not only what theirs is: a difference that fits none stays unexplained.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from .compare import TTL_SLACK_S, Difference, aliases, data, ttls
from .message import AAAA, CNAME, DNAME, RRSIG, SOA, Message
from .zone import PREFIX_BYTES, SIGNED, VIP, ZONES

PTR, NSEC = 12, 47
NOERROR, SERVFAIL, NXDOMAIN = 0, 2, 3
WITHOUT_SOA_S = 600
# Written a second time on purpose: the tests must not borrow the list they judge.
NEVER_EMBEDDED = ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4")
ERRORS = frozenset(("servfail", "refused", "notimp", "formerr", "yxdomain", "referral"))


@dataclass(frozen=True, slots=True)
class Case:
    """A difference with both replies at hand. `witnessed`: the other peer agrees with us in this aspect."""

    difference: Difference
    ours: Message
    theirs: Message
    witnessed: bool

    @property
    def shape(self) -> str:
        return self.difference.asked.shape

    @property
    def rdtype(self) -> str:
        return self.difference.asked.rdtype

    def odd(self) -> tuple[str, str]:
        """What the odd server said to AAAA and to A; blanks for names of other zones."""
        said = self.shape.split("_")
        known = len(said) == 2 and {*said} <= {*ERRORS, "nodata", "nosoa", "nxdomain", "data"}
        return (said[0], said[1]) if known else ("", "")


def _made(message: Message) -> set[bytes]:
    """The AAAA records under our prefix, as IPv4 bytes."""
    return {r.rdata[12:] for r in message.answer if r.rtype == AAAA and r.rdata.startswith(PREFIX_BYTES)}


def _is_excluded(address: bytes) -> bool:
    heads = (bytes(10) + b"\xff\xff", bytes.fromhex("0064ff9b") + bytes(8), PREFIX_BYTES)
    return address[:12] in heads


def _is_never_embedded(ipv4: bytes) -> bool:
    address = IPv4Address(ipv4)
    return any(address in IPv4Network(network) for network in NEVER_EMBEDDED) or str(address) == VIP


def told_synthesized(case: Case) -> bool:
    return _edes(case.ours) == {29} and bool(_made(case.ours)) and not _edes(case.theirs)


def told_filtered(case: Case) -> bool:
    return _edes(case.ours) == {17} and not data(case.ours) and case.ours.rcode == NOERROR


def told_why_not(case: Case) -> bool:
    return _edes(case.ours) <= {13, 22, 23} and case.ours.rcode == SERVFAIL


def _edes(message: Message) -> set[int]:
    return set(message.opt.edes) if message.opt else set()


def cd_is_the_truth(case: Case) -> bool:
    """Unbound obeys CD as we do: it is the witness. Under our prefix is only what the zone really has there."""
    real = {b"\1\2\3\4"} if case.shape == "own_prefix" else set()
    return case.difference.asked.cd and case.rdtype == "AAAA" and case.witnessed and _made(case.ours) <= real


def excluded(case: Case) -> bool:
    """Theirs has AAAA that must not be given; without them, either nothing is left or what we give."""
    theirs = {r.rdata for r in case.theirs.answer if r.rtype == AAAA and _is_excluded(r.rdata)}
    ours = {r.rdata for r in case.ours.answer if r.rtype == AAAA}
    real = {r.rdata for r in case.theirs.answer if r.rtype == AAAA} - theirs
    return bool(theirs) and not theirs & ours and (ours == real if real else all(map(_is_excluded, ours)))


def never_embedded(case: Case) -> bool:
    ours, theirs = _made(case.ours), _made(case.theirs)
    return theirs > ours and all(map(_is_never_embedded, theirs - ours)) and not any(map(_is_never_embedded, ours))


def _end_zone(case: Case) -> str:
    """The zone of the name at the end of the aliases."""
    links = [rdata for _, rtype, rdata in aliases(case.ours) if rtype == CNAME]
    end = (links[-1] if links else case.ours.question[0] + b".").lower()
    return max((zone for zone in ZONES if end.endswith(zone.encode())), key=len, default="")


def capped_by_soa(case: Case) -> bool:
    """RFC 6147 wants the lesser of the A's TTL and the denial's; theirs tells the A's."""
    zone = _end_zone(case)
    return bool(zone and _made(case.ours)) and _bounded_by(case, ZONES[zone].lifetime_s)


def capped_without_soa(case: Case) -> bool:
    return _edes(case.ours) <= {29} and bool(_made(case.ours)) and _bounded_by(case, WITHOUT_SOA_S)


def _bounded_by(case: Case, cap_s: int) -> bool:
    """AAAA live no longer than `cap_s`; aliases as with the peers, of which one may have got them earlier."""
    theirs = ttls(case.theirs.answer)
    for key, ttl in ttls(case.ours.answer).items():
        other = theirs.get(key, ttl)
        aged = case.witnessed and other < ttl and key[1] != AAAA
        if not aged and abs(ttl - (min(other, cap_s) if key[1] == AAAA else other)) > TTL_SLACK_S:
            return False
    return True


def error_is_empty(case: Case) -> bool:
    aaaa, a = case.odd()
    if aaaa not in ERRORS or case.rdtype != "AAAA" or case.theirs.answer:
        return False
    if a == "nxdomain":
        return case.ours.rcode == NXDOMAIN
    return a == "data" and case.ours.rcode == NOERROR and _made(case.ours) == {b"\5\6\7\x08"}


def unknown_is_no_denial(case: Case) -> bool:
    aaaa, a = case.odd()
    empty = a in ("nodata", "nosoa") or a in ERRORS
    return aaaa in ERRORS and empty and case.ours.rcode == SERVFAIL and not case.ours.answer


def a_failed(case: Case) -> bool:
    aaaa, a = case.odd()
    return aaaa in ("nodata", "nosoa") and a in ERRORS and case.ours.rcode == SERVFAIL and not case.ours.answer


def nxdomain_is_final(case: Case) -> bool:
    return (
        case.odd()[0] == "nxdomain" and case.rdtype == "AAAA" and case.ours.rcode == NXDOMAIN and not case.ours.answer
    )


def name_denied_for_another_type(case: Case) -> bool:
    """The server denies the name to AAAA and not to A. One of the two remembers the denial of the name for all types
    (RFC 8020 section 2), the other gives what A got: which of them depends on the order of the questions.
    """
    aaaa, a = case.odd()
    contradiction = aaaa == "nxdomain" and a in ("nodata", "nosoa", "data", *ERRORS) and case.rdtype == "A"
    ours_remembers = case.ours.rcode == NXDOMAIN and not case.ours.answer and case.theirs.rcode != NXDOMAIN
    theirs_remembers = case.ours.rcode == NOERROR and case.theirs.rcode == NXDOMAIN
    return contradiction and (ours_remembers or theirs_remembers)


def nxdomain_of_a(case: Case) -> bool:
    return case.odd()[1] == "nxdomain" and case.ours.rcode == NXDOMAIN and _has_soa(case.ours)


def _has_soa(message: Message) -> bool:
    return any(record.rtype == SOA for record in message.authority)


def rcode_passed_on(case: Case) -> bool:
    """To a question of another type, or with CD=1, the upstream's RCODE is our answer's."""
    codes = {"formerr": 1, "servfail": 2, "nxdomain": 3, "notimp": 4, "refused": 5, "yxdomain": 6, "referral": SERVFAIL}
    aaaa, a = case.odd()
    said = aaaa if case.rdtype == "AAAA" else a
    plain = case.rdtype == "A" or case.difference.asked.cd
    return plain and said in codes and case.ours.rcode == codes[said]


def any_passed_on(case: Case) -> bool:
    """A cache answers with what it happens to have: one of the two replies is part of the other, neither is empty."""
    ours, theirs = ({(*r[:3], r.rdata) for r in message.answer} for message in (case.ours, case.theirs))
    return case.rdtype == "ANY" and bool(ours and theirs) and (ours <= theirs or theirs <= ours)


def _is_reverse(case: Case) -> bool:
    return case.shape.startswith("reverse_")


def pointer_copied(case: Case) -> bool:
    ours = [r for r in case.ours.answer if r.rtype == PTR]
    theirs = [r for r in case.theirs.answer if r.rtype == PTR]
    same = bool(ours) and {r.rdata for r in ours} == {r.rdata for r in theirs}
    return _is_reverse(case) and same and case.rdtype == "PTR" and case.ours.rcode == case.theirs.rcode


def any_of_a_pointer(case: Case) -> bool:
    """ANY at an address of ours: the alias or, where that would lead to another alias, the pointer itself."""
    if not _is_reverse(case) or case.rdtype != "ANY" or case.ours.rcode != NOERROR:
        return False
    kind = PTR if case.shape == "reverse_classless" else CNAME
    return [record.rtype for record in case.ours.answer] == [kind]


def pointer_lives_no_longer(case: Case) -> bool:
    """What leads to the name, and the copy of it, live no longer than all that theirs is made of."""
    least = min((record.ttl for record in case.theirs.answer), default=0)
    return pointer_copied(case) and all(abs(record.ttl - least) <= TTL_SLACK_S for record in case.ours.answer)


def denial_of_the_aaaa(case: Case) -> bool:
    aaaa, a = case.odd()
    return {aaaa, a} == {"nodata", "nosoa"} and not case.ours.answer and _has_soa(case.ours) == (aaaa == "nodata")


def no_alias_without_data(case: Case) -> bool:
    """Theirs is a CNAME onto what has no such data; ours says so under our own SOA, and knows NXDOMAIN from NODATA."""
    if not _is_reverse(case) or case.ours.answer or not _has_soa(case.ours):
        return False
    alias = [rtype for _, rtype, _ in aliases(case.theirs)][:1] == [CNAME]
    rcode = NXDOMAIN if case.shape == "reverse_no_name" and case.rdtype in ("PTR", "ANY") else NOERROR
    return alias and case.ours.rcode == rcode


def zone_is_local(case: Case) -> bool:
    """Theirs asked the Internet about our own reverse zone; ours answers with authority."""
    return _is_reverse(case) and bool(case.ours.flags & 0x0400) and not case.theirs.flags & 0x0400


def not_authority_for_it(case: Case) -> bool:
    """AA=0 wherever upstream was asked, although the alias is ours."""
    asked = any(r.rtype in (PTR, CNAME) for r in case.ours.answer)
    return _is_reverse(case) and not case.ours.flags & 0x0400 and asked


def proofs_passed_on(case: Case) -> bool:
    """What a resolver adds to an answer that is whole without it differs; ours gives what it was given."""
    added = {record.rtype for record in (*case.ours.authority, *case.theirs.authority)}
    return case.difference.asked.do and added <= {NSEC, RRSIG} and bool(data(case.ours))


def proofs_live_as_long(case: Case) -> bool:
    """Theirs shortens the proof beside an answer to the answer's life; ours has it as it came."""
    return case.difference.asked.do and case.witnessed and {r.rtype for r in case.ours.authority} <= {NSEC, RRSIG}


def wildcard_as_its_proof(case: Case) -> bool:
    """Theirs shortens what a wildcard made to the life of the signed zone's NSEC; ours has the zone's own TTL."""
    longest = max((record.ttl for record in case.theirs.answer if record.rtype != RRSIG), default=0)
    return case.shape == "signed_wildcard" and case.witnessed and longest <= ZONES[SIGNED].lifetime_s


def dname_alias_lives_as_dname(case: Case) -> bool:
    """The CNAME a DNAME makes has the DNAME's TTL; theirs has none."""
    ours, theirs = ttls(case.ours.answer), ttls(case.theirs.answer)
    dname = [ttl for (_, rtype, _), ttl in ours.items() if rtype == DNAME]
    alias = [(ttl, theirs[key]) for key, ttl in ours.items() if key[1] == CNAME and theirs.get(key) == 0]
    return len(dname) == 1 and len(alias) == 1 and alias[0][0] == dname[0] and case.witnessed


def loop_leads_nowhere(case: Case) -> bool:
    return case.shape == "loop" and case.ours.rcode == SERVFAIL and not case.ours.answer and case.witnessed


def size_decides(case: Case) -> bool:
    """The reply with more to say, for a reason that has a rule of its own, is the one that needs TCP."""
    ours, theirs = (len(message.answer) + len(message.authority) for message in (case.ours, case.theirs))
    return ours != theirs and case.difference.by_tcp == (ours > theirs)


def links_age(case: Case) -> bool:
    """Theirs asks for link after link, and the first ones grow old; the other peer has ours."""
    theirs = ttls(case.theirs.answer)
    pairs = [(key, ttl, theirs[key]) for key, ttl in ttls(case.ours.answer).items() if key in theirs]
    late = [key for key, ttl, other in pairs if other < ttl - TTL_SLACK_S]
    early = [key for key, ttl, other in pairs if other > ttl + TTL_SLACK_S]
    return case.witnessed and bool(aliases(case.ours)) and bool(late) and not early


def soa_ages(case: Case) -> bool:
    """Ours is what the zone says, at most `TTL_SLACK_S` old; theirs is older: all denials of a zone share it."""
    theirs = ttls(case.theirs.authority)
    for record in case.ours.authority:
        other = theirs.get((record.owner, record.rtype, record.covered), record.ttl)
        zone = ZONES.get(record.owner.decode(errors="replace"))
        if zone is None or other > record.ttl or not 0 <= zone.lifetime_s - record.ttl <= TTL_SLACK_S:
            return False
    return True
