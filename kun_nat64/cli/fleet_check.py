"""The fleet checks of `doctor`: this gateway reaches the others, and they reach it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from kun_nat64.config.listeners import notes
from kun_nat64.drivers.member_client import MemberSilent, ask_member
from kun_nat64.model.inspection import Finding, Level
from kun_nat64.model.spec import AgentSpec


def fleet_findings(spec: AgentSpec) -> list[Finding]:
    found = [Finding(Level.BAD, "admin", words) for words in notes(spec)]
    urls = spec.fleet.members
    if urls:
        with ThreadPoolExecutor(len(urls)) as pool:
            for one in pool.map(lambda url: list(_member(spec, url)), urls):
                found += one
    return found


def _member(spec: AgentSpec, url: str) -> Iterator[Finding]:
    try:
        status = ask_member(url, "/status", ca_file=spec.fleet.ca_file)
    except MemberSilent as error:
        remedy = "there: `kun-nat64 doctor`; its [fleet] listen and [admin] allow must admit this gateway"
        yield Finding(Level.BAD, "fleet", f"{url} does not answer: {error}", remedy)
        return
    yield Finding(Level.GOOD, "fleet", f"{url} answers")
    yield from _back(spec.gateway.name, url, status)


def _back(own: str, url: str, status: Any) -> Iterator[Finding]:
    """Check that the other gateway sees this one: the protection of the last gateway needs both views."""
    try:
        name, fleet = str(status["name"]), status["fleet"]
        known = [str(one["name"]) for one in fleet["members"]]
        silent = {str(one): str(why) for one, why in fleet["silent"].items()}
    except (KeyError, TypeError, AttributeError):
        yield Finding(Level.UNKNOWN, "fleet", f"{url} runs another version: whether it reaches this gateway is unknown")
        return
    if own in known:
        return
    remedy = f"there: name this gateway in [fleet] members; here: [fleet] listen and [admin] allow must admit {name}"
    if silent:
        words = "; ".join(f"{one}: {why}" for one, why in silent.items())
        yield Finding(Level.BAD, "fleet", f"{name} does not reach this gateway, or not all others: {words}", remedy)
    else:
        yield Finding(Level.BAD, "fleet", f"{name} does not name this gateway among its members", remedy)
