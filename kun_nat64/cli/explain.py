"""The `explain` command."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from pathlib import Path
from typing import TypeVar

from kun_base.errors import ConfigError, Fault
from kun_nat64.cli.agent_client import NoAgent, ask, its_words
from kun_nat64.cli.followed import load_followed
from kun_nat64.cli.members import MemberAnswer, ask_members
from kun_nat64.drivers.real_host import RealHost
from kun_nat64.model.errors import DriverError
from kun_nat64.model.spec import AgentSpec
from kun_nat64.model.traffic import Traffic
from kun_nat64.policy.explain import explain
from kun_nat64.policy.port_use import owned_ports, ports_of
from kun_nat64.views.explanation import JSON, as_data, as_text

CONFIG = Path("/etc/kun/kun-nat64.toml")
Found = TypeVar("Found")


def explain_destination(
    text: str,
    config: Path | None,
    run_dir: Path,
    client: str,
    *,
    as_json: bool,
    here: bool = False,
    token_file: Path | None = None,
) -> int:
    """Print the verdict. Exit code 0: a pod's packet passes this gateway, 1: it does not. Raises ConfigError."""
    destination, sender = _addresses(text, client)
    spec = load_followed(config or CONFIG, run_dir)
    traffic, own = asyncio.run(_looked(spec))
    result = explain(destination, spec, traffic or Traffic(), sender, own)
    ports = None if traffic is None else ports_of(result.owner, owned_ports(traffic, spec))

    def shown(status: JSON | None) -> str:
        if as_json:
            return json.dumps(as_data(result, spec, ports, status), indent=1)
        return as_text(result, spec, ports, status)

    local = _with_status(run_dir, shown)
    words = {"destination": str(destination), "client": str(sender) if sender else ""}
    members = [] if here else ask_members(run_dir, "/explain", words, token_file)
    if as_json:
        print(json.dumps({**json.loads(local), "members": [asdict(one) for one in members]}, indent=1))
    else:
        print("\n".join([local, *(f"{one.gateway + ':':<10}{_member(one)}" for one in members)]))
    return 0 if result.reachable else 1


def _member(one: MemberAnswer) -> str:
    if one.answer is None:
        return f"not asked: {one.problem}"
    let = "lets it through" if one.answer["reachable"] else "drops it"
    why = f": {one.answer['denied_by']}" if one.answer.get("denied_by") else ""
    if not one.answer["sessions_counted"]:
        return f"{let}{why}; its sessions are not known"
    return f"{let}{why}; {one.answer['sessions_found']} sessions, {one.answer['bindings_found']} bindings"


def _addresses(text: str, client: str) -> tuple[IPv6Address, IPv6Address | None]:
    faults, found = [], []
    for where, one in (("IPV6", text), *([("--client", client)] if client else [])):
        try:
            found.append(IPv6Address(one.strip().removeprefix("[").removesuffix("]")))
        except AddressValueError:
            faults.append(Fault(where, repr(one), 'must be an IPv6 address, "2002:cb00:7101::c633:6450"'))
    if faults:
        raise ConfigError("command line", faults)
    return found[0], found[1] if client else None


async def _looked(spec: AgentSpec) -> tuple[Traffic | None, frozenset[IPv4Address]]:
    """Return the traffic (None if Jool cannot be read), the host's addresses, and a text about failures."""
    host = RealHost(spec)
    try:
        traffic = await _unless_it_fails("sessions", host.traffic(spec.nat64.instance))
        own = await _unless_it_fails("addresses of this machine", host.own_addresses())
        return traffic, own or frozenset()
    finally:
        host.close()


async def _unless_it_fails(what: str, look: Awaitable[Found]) -> Found | None:
    try:
        return await look
    except DriverError as error:
        print(f"{what} are not known: {error}", file=sys.stderr)
        return None


def _with_status(run_dir: Path, shown: Callable[[JSON | None], str]) -> str:
    """Add the agent's data: gateways in service and limited clients. The verdict needs no agent."""
    try:
        status: JSON = ask(run_dir, "/status")
        with its_words(run_dir):
            return shown(status)
    except NoAgent:
        return shown(None)
