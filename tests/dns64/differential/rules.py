"""Why a difference is right: every rule has a name, a source, and a test that the two replies must pass (reasons.py).

D numbers are those of the decisions where the RFCs leave a choice; pitfalls are mistakes that other servers made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import reasons as why
from .compare import Aspect, Difference
from .reasons import Case

BIND, UNBOUND = "bind", "unbound"
BOTH = (BIND, UNBOUND)
CONTENT = (Aspect.RCODE, Aspect.DATA, Aspect.ALIASES, Aspect.SOA, Aspect.SIGNATURES, Aspect.AUTHORITY, Aspect.TTL)
ANSWERED = (Aspect.RCODE, Aspect.DATA, Aspect.SOA)


@dataclass(frozen=True, slots=True)
class Rule:
    name: str
    peers: tuple[str, ...]
    aspects: tuple[Aspect, ...]
    source: str
    holds: Callable[[Case], bool]


# The first that fits explains the difference.
RULES: tuple[Rule, ...] = (
    Rule("synthesis-is-told", BOTH, (Aspect.EDE,), "EDE 29; peers tell nothing", why.told_synthesized),
    Rule("filtering-is-told", BOTH, (Aspect.EDE,), "RFC 8914 section 4.18; D13", why.told_filtered),
    Rule("failure-is-told", BOTH, (Aspect.EDE,), "RFC 8914 sections 4.14, 4.23, 4.24", why.told_why_not),
    Rule("any-is-passed-on", BOTH, CONTENT, "RFC 8482 section 4; D17", why.any_passed_on),
    Rule("cd-is-the-truth", (BIND,), CONTENT, "RFC 6147 section 5.5 case 3; D7", why.cd_is_the_truth),
    Rule("excluded-aaaa", (UNBOUND,), CONTENT, "RFC 6147 section 5.1.4; Unbound has no set", why.excluded),
    Rule("never-embedded", (UNBOUND,), ANSWERED, "RFC 6052 section 3.1; D13", why.never_embedded),
    Rule(
        "ttl-capped-by-soa", (UNBOUND,), (Aspect.TTL,), "RFC 6147 section 5.1.7; Unbound has no cap", why.capped_by_soa
    ),
    Rule("wildcard-lives-on", (BIND,), (Aspect.TTL,), "RFC 2181 section 5.2", why.wildcard_as_its_proof),
    Rule("alias-of-a-dname", (UNBOUND,), (Aspect.TTL,), "RFC 6672 section 3.1", why.dname_alias_lives_as_dname),
    Rule("loop-leads-nowhere", (BIND,), (Aspect.ALIASES,), "RFC 1034 section 3.6.2", why.loop_leads_nowhere),
    Rule("links-age", (UNBOUND,), (Aspect.TTL,), "RFC 1035 section 3.2.1", why.links_age),
    Rule("ttl-without-soa", BOTH, (Aspect.TTL,), "RFC 6147 section 5.1.7; D10", why.capped_without_soa),
    Rule("error-counts-as-empty", (BIND,), ANSWERED, "RFC 6147 section 5.1.2; D4", why.error_is_empty),
    Rule("error-is-no-denial", BOTH, ANSWERED, "RFC 6147 section 5.4; D5", why.unknown_is_no_denial),
    Rule("a-failed", BOTH, ANSWERED, "RFC 6147 section 5.1.6; D2", why.a_failed),
    Rule("nxdomain-is-final", (UNBOUND,), ANSWERED, "RFC 6147 section 5.1.2", why.nxdomain_is_final),
    Rule("denied-for-another-type", BOTH, ANSWERED, "RFC 2308 section 5", why.name_denied_for_another_type),
    Rule("nxdomain-of-the-a", BOTH, (Aspect.SOA,), "RFC 2308 section 5; D3", why.nxdomain_of_a),
    Rule("denial-of-the-aaaa", BOTH, (Aspect.SOA,), "RFC 6147 section 5.4; D1", why.denial_of_the_aaaa),
    Rule("rcode-passed-on", BOTH, ANSWERED, "RFC 6147 section 5.3.3", why.rcode_passed_on),
    Rule("ptr-by-alias", BOTH, (Aspect.ALIASES, Aspect.DATA), "RFC 6147 section 5.3.1; D14", why.pointer_copied),
    Rule("any-of-a-pointer", BOTH, CONTENT, "RFC 8482 section 4; RFC 6147 section 5.3.1", why.any_of_a_pointer),
    Rule("ptr-lives-no-longer", BOTH, (Aspect.TTL,), "RFC 2181 section 5.2; pitfall 32", why.pointer_lives_no_longer),
    Rule("no-alias-without-data", BOTH, CONTENT, "RFC 6147 section 5.3.1; D15", why.no_alias_without_data),
    Rule("reverse-zone-is-local", (UNBOUND,), (*CONTENT, Aspect.AA), "RFC 6147 section 5.3.1", why.zone_is_local),
    Rule("aa-only-for-own-data", BOTH, (Aspect.AA,), "AA=0 in the case table", why.not_authority_for_it),
    Rule("size-decides", BOTH, (Aspect.TRUNCATION,), "RFC 2181 section 9", why.size_decides),
    Rule("proofs-passed-on", BOTH, (Aspect.AUTHORITY,), "RFC 4035 section 3.1.3.3", why.proofs_passed_on),
    Rule("proofs-live-on", (BIND,), (Aspect.SOA_TTL,), "RFC 4034 section 4", why.proofs_live_as_long),
    Rule("soa-of-the-zone-ages", (UNBOUND,), (Aspect.SOA_TTL,), "RFC 2308 section 5", why.soa_ages),
)


def explain(difference: Difference, witnessed: bool) -> Rule | None:
    """None: nothing explains it."""
    if difference.ours is None or difference.theirs is None:
        return None
    case = Case(difference, difference.ours, difference.theirs, witnessed)
    for rule in RULES:
        if difference.peer in rule.peers and difference.aspect in rule.aspects and rule.holds(case):
            return rule
    return None
