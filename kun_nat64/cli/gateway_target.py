"""The gateway to which `drain` and `undrain` send requests: the local one, or one of the fleet by its name."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from kun_base.admin_files import read_token
from kun_nat64.cli.agent_client import NoAgent, ask
from kun_nat64.drivers.member_client import MemberSilent, ask_member

# Path and method: the JSON that the gateway answers. Raises NoAgent, OrderRefused.
Ask = Callable[..., Any]


class OrderRefused(Exception):
    """The gateway's own guard refused the order; the message has the reason."""


def target(run_dir: Path, name: str, token_file: Path | None) -> Ask:
    """Return how to ask the gateway `name`; "" or its own name: the local agent. Raises NoAgent."""
    if not name:
        return partial(_local, run_dir)
    status = ask(run_dir, "/status")
    if name == status["name"]:
        return partial(_local, run_dir)
    fleet = status["fleet"]
    urls = [str(one["url"]) for one in fleet["members"] if one["name"] == name]
    if len(urls) != 1:
        known = ", ".join(sorted(str(one["name"]) for one in fleet["members"])) or "none"
        raise NoAgent(f"{len(urls)} gateways named {name} answer; those that do besides this one: {known}")
    path = str(token_file or fleet.get("token_file", ""))
    token = read_token(path)
    if not token:
        raise NoAgent(
            f"{name} accepts remote orders only with the token of [admin] token_file, the same on every gateway; "
            f"{path or 'none'} has no token here: use --token-file, or run the command there"
        )
    return partial(_remote, name, urls[0], token, str(fleet.get("ca_file", "")))


def _local(run_dir: Path, path: str, method: str = "GET") -> Any:
    answer = ask(run_dir, path, method, also=(409,))
    return _unless_refused(answer)


def _remote(name: str, url: str, token: str, ca_file: str, path: str, method: str = "GET") -> Any:
    try:
        return _unless_refused(ask_member(url, path, method=method, ca_file=ca_file, token=token, also=(409,)))
    except MemberSilent as error:
        raise NoAgent(f"{name} at {url} refuses: {error}") from error


def _unless_refused(answer: Any) -> Any:
    if isinstance(answer, dict) and answer.get("refused"):
        raise OrderRefused(str(answer["refused"]))
    return answer
