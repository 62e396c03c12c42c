"""The `who` command: from a public address and port, and a time, to the pod that had it."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any

from kun_nat64.cli.errors import complain
from kun_nat64.cli.who_flags import Asked
from kun_nat64.config.sessionplace import LOG, beside, session_database
from kun_nat64.drivers.runfiles import CONTROL
from kun_nat64.drivers.session_database import parts_of
from kun_nat64.drivers.session_search import search
from kun_nat64.formats.elastic_common_schema import iso
from kun_nat64.formats.port_question import Answer, Question, answer_data, parse
from kun_nat64.model.audit import UNKNOWN
from kun_nat64.model.clients import Client
from kun_nat64.policy.port_holders import Holder

if TYPE_CHECKING:
    from kun_nat64.cli.members import MemberAnswer

CONFIG = Path("/etc/kun/kun-nat64.toml")
DATABASE = Path(beside(LOG))
# More sessions of one holder than these are counted, not listed.
LISTED = 10
NOT_LOOKED_UP = 3


def show_who(asked: Asked) -> int:
    """Print holders. Exit code 0: a pod had it, 1: none is known, 3: the log could not be read. Raises ConfigError."""
    question = parse(asked.public, asked.at, asked.proto, now=time())
    answers = [] if asked.here or asked.database else _others(asked, question)
    folder = asked.database or _folder(asked.config)
    if folder is None:
        words = f"no sessions are logged: [nat64] session_log is empty in {asked.config or CONFIG}"
        return complain(words, as_json=asked.as_json, code=NOT_LOOKED_UP)
    try:
        return _answered(folder, question, asked, answers)
    except OSError as error:
        remedy = "; run this with sudo" if isinstance(error, PermissionError) else ""
        return complain(
            f"{folder} cannot be read: {error.strerror or error}{remedy}", as_json=asked.as_json, code=NOT_LOOKED_UP
        )


def _answered(folder: Path, question: Question, asked: Asked, answers: "Sequence[MemberAnswer]") -> int:
    if not folder.is_dir() or not parts_of(folder):
        words = (
            f"there is no session database in {folder}: `[nat64] session_log` makes one; --config FILE or --database "
            "FOLDER names another place"
        )
        return complain(words, as_json=asked.as_json, code=NOT_LOOKED_UP)
    answer = search(folder, question)
    for line in answer.unread:
        print(f"not read: {line}", file=sys.stderr)
    if asked.as_json:
        members = [asdict(one) for one in answers]
        print(json.dumps({**answer_data(question, answer), "members": members}, indent=1))
    else:
        print("\n".join([_as_text(question, answer), *_of_members(answers)]))
    if answer.holders or any(one.answer and one.answer["holders"] for one in answers):
        return 0
    return NOT_LOOKED_UP if answer.unread or any(one.problem for one in answers) else 1


def _others(asked: Asked, question: Question) -> "list[MemberAnswer]":
    """Ask the other gateways. Without an agent nothing more is loaded, so `who` stays fast."""
    if not (asked.run_dir / CONTROL).exists():
        return []
    from kun_nat64.cli.members import ask_members

    words = {"public": asked.public, "at": str(question.at), "proto": asked.proto}
    return ask_members(asked.run_dir, "/who", words, asked.token_file)


def _of_members(answers: "Iterable[MemberAnswer]") -> Iterator[str]:
    for one in answers:
        if one.answer is None:
            yield f"{one.gateway} was not asked: {one.problem}"
        elif not one.answer["holders"]:
            yield f"{one.gateway}: its log names nobody"
        else:
            yield from (f"{one.gateway}: {_holder(holder)}" for holder in one.answer["holders"])


def _holder(data: dict[str, Any]) -> str:
    pod = f", pod {data['namespace']}/{data['pod']}" if data.get("pod") else ""
    tenant = f", tenant {data['tenant']}" if data.get("tenant") else ""
    sure = "" if data["certain"] else " (possibly)"
    return f"{data['protocol']} [{data['inside']}]:{data['port']}{pod}{tenant}{sure}, {len(data['sessions'])} sessions"


def _folder(config: Path | None) -> Path | None:
    with suppress(OSError):
        if config is None and not CONFIG.exists():
            return DATABASE
    return session_database(config or CONFIG)


def _as_text(question: Question, answer: Answer) -> str:
    asked = f"{question.address}:{question.port} at {iso(question.at)}"
    if not answer.holders:
        return f"{asked}: the log names nobody"
    return "\n".join(line for one in answer.holders for line in _lines(asked, one))


def _named(client: Client) -> str:
    pod = f"pod {client.namespace}/{client.pod}" if client.pod else ""
    tenant = f"tenant {client.tenant}" if client.tenant else ""
    words = ", ".join(filter(None, (pod, tenant)))
    return f", {words}" if words else ""


def _lines(asked: str, one: Holder) -> list[str]:
    sure = "" if one.certain else " (possibly: it was first seen at a later read)"
    lines = [f"{asked} {one.protocol}: [{one.inside}]:{one.port}{_named(one.client)}{sure}"]
    for record in one.sessions[:LISTED]:
        ended = "lives" if record.ended is None else f"to {iso(record.ended)}"
        since = "or earlier" if record.after == UNKNOWN else f"or up to {record.began - record.after:.0f} s earlier"
        lines.append(f"  with {record.flow.remote}, from {iso(record.began)} {since}, {ended}")
    more = len(one.sessions) - LISTED
    return [*lines, *([f"  and {more} more sessions"] if more > 0 else [])]
