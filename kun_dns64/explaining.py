"""A story for people: what was asked, what upstreams said, which rule decided, what went out."""

from ipaddress import ip_address
from typing import Any

import dns.rdata
import dns.rdataclass
import dns.rdatatype

from kun_dns64.fleet import Story
from kun_dns64.formats.names import from_text, to_text
from kun_dns64.metrics import rcode_name
from kun_dns64.model.message import Edns, Query, Record, Response
from kun_dns64.model.question import CLASS_IN, Question
from kun_dns64.model.step import Drop, Heard, UpstreamFailure

PAYLOAD = 1232


def query_for(name: str, rtype: str = "AAAA", client: str = "") -> Query:
    """Raises ValueError for a name, type or address that is none."""
    try:
        number = int(dns.rdatatype.from_text(rtype))
    except (dns.rdatatype.UnknownRdatatype, ValueError):
        raise ValueError(f"{rtype!r} is no record type, for example AAAA") from None
    try:
        source = ip_address(client or "::1")
    except ValueError:
        raise ValueError(f"{client!r} is no address of a client") from None
    return Query(0, Question(from_text(name), number, CLASS_IN), edns=Edns(PAYLOAD), source=source)


def as_dict(story: Story) -> dict[str, Any]:
    """The story as JSON has it."""
    query, step = story.query, story.step
    told: dict[str, Any] = {
        "question": _question(query.question),
        "client": str(query.source),
        "rule": step.rule.value,
        "heard": [_heard(heard) for heard in story.heard],
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


def as_text(story: Story) -> str:
    """The story as people read it."""
    told = as_dict(story)
    lines = [f"{told['question']} for {told['client']}"]
    for heard in told["heard"]:
        lines += _heard_lines(heard)
    lines.append(f"decided by {told['rule']}" + (f": {told['rcode']}" if "rcode" in told else ": no reply"))
    for section in ("answer", "authority", "additional"):
        lines += [f"  {section:<10} {record}" for record in told.get(section, [])]
    lines += [f"  instead of {record} (shadow mode)" for record in told.get("shadow", [])]
    lines += [f"  extended error {ede['code']} {ede['text']}".rstrip() for ede in told.get("ede", [])]
    return "\n".join(lines)


def _heard_lines(heard: dict[str, Any]) -> list[str]:
    source = "cache" if heard["from"] == "cache" else f"{heard['from'] or 'nobody'} in {heard['rtt_ms']:g} ms"
    stale = ", stale" if heard["stale"] else ""
    if "failure" in heard:
        return [
            f"  asked {heard['question']}: {heard['failure']} ({heard['detail'] or 'no detail'}), from {source}{stale}"
        ]
    lines = [f"  asked {heard['question']}: {heard['rcode']}, from {source}{stale}"]
    return lines + [f"    {record}" for section in ("answer", "authority") for record in heard[section]]


def _heard(heard: Heard) -> dict[str, Any]:
    outcome = heard.outcome
    told: dict[str, Any] = {
        "question": _question(heard.question),
        "from": "cache" if heard.cached else heard.upstream,
        "rtt_ms": round(heard.rtt_s * 1000, 3),
        "stale": heard.stale,
    }
    if isinstance(outcome, UpstreamFailure):
        return told | {"failure": outcome.kind.value, "detail": outcome.detail}
    return told | _response(outcome)


def _response(response: Response) -> dict[str, Any]:
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
