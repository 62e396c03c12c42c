"""Asks every other gateway of the fleet about its sessions, with the token of [admin] token_file."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from kun_base.admin_files import read_token
from kun_nat64.cli.agent_client import NoAgent, ask
from kun_nat64.drivers.member_client import MemberSilent, ask_member

JSON = dict[str, Any]
# A gateway with millions of sessions needs some seconds to look through them.
TIMEOUT_S = 15.0


@dataclass(frozen=True, slots=True)
class MemberAnswer:
    """The answer of one member. `answer` None: there is none, and `problem` has the reason."""

    gateway: str
    answer: JSON | None = None
    problem: str = ""


def ask_members(run_dir: Path, path: str, words: dict[str, str], token_file: Path | None = None) -> list[MemberAnswer]:
    """Ask all members; return their answers by name. Without a local agent the members are unknown: no answers."""
    try:
        fleet = ask(run_dir, "/status")["fleet"]
        members = {str(one["url"]): str(one["name"]) for one in fleet["members"]}
        silent = [MemberAnswer(str(url), problem=str(why)) for url, why in fleet["silent"].items()]
    except (NoAgent, KeyError, TypeError, AttributeError):
        return []
    place = str(token_file or fleet.get("token_file", ""))
    token = read_token(place) if members else ""
    if members and not token:
        why = f"sessions of others need the token of [admin] token_file; {place or 'none'} has no token"
        return [*(MemberAnswer(name, problem=why) for name in members.values()), *silent]
    query = f"{path}?{urlencode(words)}"

    def asked(url: str) -> MemberAnswer:
        try:
            answer = ask_member(
                url, query, method="POST", ca_file=str(fleet.get("ca_file", "")), token=token, timeout_s=TIMEOUT_S
            )
            problem = answer.get("problem") if isinstance(answer, dict) else "not an answer of a gateway"
            return MemberAnswer(members[url], None if problem else answer, str(problem or ""))
        except MemberSilent as error:
            return MemberAnswer(members[url], problem=str(error))

    with ThreadPoolExecutor(max(1, len(members))) as pool:
        return sorted([*pool.map(asked, members), *silent], key=lambda one: one.gateway)
