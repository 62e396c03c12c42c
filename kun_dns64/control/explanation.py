"""A story for people: what was asked, what upstreams said, which rule decided, what went out."""

from ipaddress import ip_address
from typing import Any

import dns.rdata
import dns.rdataclass
import dns.rdatatype

from kun_dns64.formats.names import from_text, to_text
from kun_dns64.formats.query import REFUSED_TYPES
from kun_dns64.model.message import Edns, Query, Record, Response
from kun_dns64.model.question import CLASS_IN, Question
from kun_dns64.model.step import Drop, Heard, UpstreamFailure
from kun_dns64.serving.worker_group import Explanation
from kun_dns64.state.metrics import rcode_name

PAYLOAD = 1232


def query_for(name: str, rtype: str = "AAAA", client: str = "") -> Query:
    """Raises ValueError for a name, type or address that is none."""
    try:
        number = int(dns.rdatatype.from_text(rtype))
    except (dns.rdatatype.UnknownRdatatype, ValueError):
        raise ValueError(f"{rtype!r} is not a record type, for example AAAA") from None
    if number in REFUSED_TYPES:
        raise ValueError(f"{rtype!r} is not a data type: every such query gets {REFUSED_TYPES[number].name}")
    try:
        source = ip_address(client or "::1")
    except ValueError:
        raise ValueError(f"{client!r} is not a client address") from None
    return Query(0, Question(from_text(name), number, CLASS_IN), edns=Edns(PAYLOAD), source=source)


def as_dict(story: Explanation) -> dict[str, Any]:
    """The story as JSON has it."""
    query, step = story.query, story.step
    told: dict[str, Any] = {
        "question": _question(query.question),
        "client": str(query.source),
        "rule": step.rule.value,
        "notes": [{"text": note.text, "source": note.source} for note in story.notes],
        "heard": [_heard_dict(heard) for heard in story.heard],
    }
    if isinstance(step, Drop):
        return told
    return told | {
        "rcode": rcode_name(step.rcode),
        "aa": step.aa,
        "ad": step.ad,
        "stale": step.stale,
        "ede": [{"code": ede.code, "text": ede.text} for ede in step.ede],
        "answer": _records(step.answer),
        "authority": _records(step.authority),
        "additional": _records(step.additional),
        "shadow": _records(step.shadow),
    }


def with_owner(told: dict[str, Any], who: dict[str, str] | None) -> dict[str, Any]:
    """What `as_dict` returned, with whose address the client's is by the followed table."""
    if who is None:
        return told
    owner = f"{who['namespace']}/{who['pod']}" if who["namespace"] else who["pod"]
    policy = f", policy {who['policy']}" if who["policy"] else ""
    note = {"text": f"{who['network']} is {owner}: class {who['class']}{policy}", "source": "[follow]"}
    return {**told, "followed": who, "notes": [note, *told["notes"]]}


def as_text(told: dict[str, Any]) -> str:
    """Write what `as_dict` returned for people: what was asked, the decisions in order, the reply."""
    lines = [f"{told['question']} asked by {told['client']}"]
    if told["heard"]:
        lines += ["", *(_heard_line(heard) for heard in told["heard"])]
    notes = told["notes"]
    width = min(100, max((len(note["text"]) for note in notes), default=0))
    lines += ["", *(f"  {note['text']:<{width}}  {note['source']}".rstrip() for note in notes), ""]
    lines.append(f"{told.get('rcode', 'no reply')}, decided by {told['rule']}")
    for section in ("answer", "authority", "additional"):
        lines += [f"  {section:<10} {record}" for record in told.get(section, [])]
    lines += [f"  instead of {record} (shadow mode)" for record in told.get("shadow", [])]
    lines += [f"  EDE {ede['code']} {ede['text']}".rstrip() for ede in told.get("ede", [])]
    return "\n".join(lines)


def _heard_line(heard: dict[str, Any]) -> str:
    source = "the cache" if heard["from"] == "cache" else f"{heard['from'] or 'nobody'}, {heard['rtt_ms']:g} ms"
    stale = ", stale" if heard["stale"] else ""
    said = f"{heard['failure']}: {heard['detail']}" if "failure" in heard else heard["rcode"]
    return f"  {heard['question']}: {said.removesuffix(': ')} ({source}{stale})"


def _heard_dict(heard: Heard) -> dict[str, Any]:
    outcome = heard.outcome
    told: dict[str, Any] = {
        "question": _question(heard.question),
        "from": "cache" if heard.cached else heard.upstream,
        "rtt_ms": round(heard.rtt_s * 1000, 3),
        "stale": heard.stale,
    }
    if isinstance(outcome, UpstreamFailure):
        return told | failure_dict(outcome)
    return told | response_dict(outcome)


def failure_dict(failure: UpstreamFailure) -> dict[str, Any]:
    return {"failure": failure.kind.value, "detail": failure.detail}


def response_dict(response: Response) -> dict[str, Any]:
    return {
        "rcode": rcode_name(response.rcode),
        "ad": response.ad,
        "ede": [{"code": ede.code, "text": ede.text} for ede in response.ede],
        "answer": _records(response.answer),
        "authority": _records(response.authority),
    }


def _question(question: Question) -> str:
    return f"{to_text(question.name)} {dns.rdatatype.to_text(dns.rdatatype.RdataType.make(question.qtype))}"


def _records(records: tuple[Record, ...]) -> list[str]:
    return [_record(record) for record in records]


def _record(record: Record) -> str:
    rtype, rclass = dns.rdatatype.RdataType.make(record.rtype), dns.rdataclass.RdataClass.make(record.rclass)
    try:
        text = str(dns.rdata.from_wire(rclass, rtype, record.rdata, 0, len(record.rdata)))
    except Exception:
        # Whatever dnspython makes of rdata it does not understand: RFC 3597 section 5 has a form for all.
        text = f"\\# {len(record.rdata)} {record.rdata.hex()}"
    kind = f"{dns.rdataclass.to_text(rclass)} {dns.rdatatype.to_text(rtype)}"
    return f"{to_text(record.name)} {record.ttl} {kind} {text}"
