"""`fleet IP:PORT`: which gateway has a session with an address and port."""

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from urllib.parse import urlencode

from kun_base.errors import ConfigError, Fault
from kun_nat64.cli.agent_client import NoAgent, ask
from kun_nat64.cli.errors import complain
from kun_nat64.cli.members import JSON, MemberAnswer, ask_members
from kun_nat64.policy.session_match import parse_endpoint

NOT_ASKED = 3
HEADER = ("GATEWAY", "PROTO", "INSIDE", "OUTSIDE", "REMOTE", "STATE", "EXPIRES")


def show_session(endpoint: str, run_dir: Path, token_file: Path | None, *, as_json: bool) -> int:
    """Print gateways with a session. Exit code 0: found, 1: none, 3: none and not all answered. Raises ConfigError."""
    try:
        parse_endpoint(endpoint)
    except ValueError as error:
        wanted = 'must be an address and a port, "192.0.2.11:40283" or "[2002:a01:2:1::10]:40283"'
        raise ConfigError("command line", [Fault("IP:PORT", repr(endpoint), wanted)]) from error
    words = {"with": endpoint}
    try:
        own = ask(run_dir, f"/sessions?{urlencode(words)}", "POST")
        here = MemberAnswer(
            str(own.get("gateway", "here")), None if own.get("problem") else own, str(own.get("problem", ""))
        )
    except NoAgent as error:
        return complain(str(error), as_json=as_json, code=NOT_ASKED)
    answers = [here, *ask_members(run_dir, "/sessions", words, token_file)]
    if as_json:
        print(json.dumps({"with": endpoint, "gateways": [asdict(one) for one in answers]}, indent=1))
    else:
        _print(endpoint, answers)
    found = sum(one.answer["found"] for one in answers if one.answer)
    return 0 if found else NOT_ASKED if any(one.problem for one in answers) else 1


def _print(endpoint: str, answers: Iterable[MemberAnswer]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*HEADER, box=None, pad_edge=False)
    for gateway, session in _sessions(answers):
        cells = (session["protocol"], session["inside"], session["outside"], session["remote"])
        table.add_row(gateway, *cells, session["state"] or "-", f"{session['expires_s']:.0f}s")
    if table.row_count:
        Console(highlight=False).print(table)
    else:
        print(f"no gateway that was asked has a session with {endpoint}")
    for one in answers:
        if one.problem:
            print(f"{one.gateway} was not asked: {one.problem}", file=sys.stderr)
        elif one.answer and one.answer["found"] > len(one.answer["sessions"]):
            print(f"{one.gateway} has {one.answer['found'] - len(one.answer['sessions'])} more")


def _sessions(answers: Iterable[MemberAnswer]) -> Iterator[tuple[str, JSON]]:
    for one in answers:
        yield from ((one.gateway, session) for session in (one.answer["sessions"] if one.answer else ()))
