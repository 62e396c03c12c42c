"""Following CNAME and DNAME from the question's name to its data (RFC 1034 section 3.6.2, RFC 6672)."""

from typing import NamedTuple

from kun_dns64.model.message import Record
from kun_dns64.model.question import CLASS_ANY, Question, RRType

MAX_LINKS = 32
CNAME, DNAME = RRType.CNAME, RRType.DNAME
ALIASES = frozenset((CNAME, DNAME))
# Queries about the alias itself, or about everything at the name, follow nothing.
NOT_FOLLOWED = frozenset((CNAME, DNAME, RRType.ANY, RRType.RRSIG))


class Chain(NamedTuple):
    """`links`: the aliases in order. `end`: the name where the data is, lower-case. `broken`: a loop, or too long."""

    links: tuple[Record, ...]
    end: bytes
    broken: bool = False


def follow(question: Question, answer: tuple[Record, ...]) -> Chain:
    """The chain from the question's name through these records, whatever their order (RFC 1034 section 4.3.2)."""
    name = question.name.lower()
    for record in answer:
        if record.rtype in ALIASES:
            break
    else:
        return Chain((), name)
    if question.qtype in NOT_FOLLOWED:
        return Chain((), name)
    return _walk(name, *_aliases(answer, question.qclass))


def at_end(question: Question, chain: Chain, answer: tuple[Record, ...]) -> list[Record]:
    """The records of the asked type and class at the chain's end, as they came; class ANY is all classes."""
    end = chain.end
    _, qtype, qclass = question
    return [r for r in answer if r.rtype == qtype and _is_in(r, qclass) and r.name.lower() == end]


def _is_in(record: Record, qclass: int) -> bool:
    return record.rclass == qclass or qclass == CLASS_ANY


def _walk(name: bytes, cnames: dict[bytes, Record], dnames: dict[bytes, Record]) -> Chain:
    links: list[Record] = []
    seen: set[bytes] = set()
    while True:
        dname = _dname_above(name, dnames)
        cname = cnames.get(name)
        if dname is not None and dname not in links:
            links.append(dname)
        if cname is None and dname is not None:
            cname = _substituted(name, dname)
        if cname is None:
            return Chain(tuple(links), name, broken=dname is not None)
        if name in seen or len(links) >= MAX_LINKS:
            return Chain((), name, broken=True)
        seen.add(name)
        links.append(cname)
        name = cname.rdata.lower()


def _aliases(answer: tuple[Record, ...], qclass: int) -> tuple[dict[bytes, Record], dict[bytes, Record]]:
    cnames: dict[bytes, Record] = {}
    dnames: dict[bytes, Record] = {}
    for record in answer:
        if record.rtype in ALIASES and _is_in(record, qclass):
            found = cnames if record.rtype == CNAME else dnames
            found.setdefault(record.name.lower(), record)
    return cnames, dnames


def _dname_above(name: bytes, dnames: dict[bytes, Record]) -> Record | None:
    if not dnames:
        return None
    place = 0
    while length := name[place]:
        place += 1 + length
        record = dnames.get(name[place:])
        if record is not None:
            return record
    return None


def _substituted(name: bytes, dname: Record) -> Record | None:
    """The CNAME a DNAME stands for, where the server left it out (RFC 6672 section 3.1)."""
    target = name[: len(name) - len(dname.name)] + dname.rdata
    return Record(name, CNAME, dname.rclass, dname.ttl, target) if len(target) <= 255 else None
