"""The `explain` command."""

import asyncio
import json
import sys
from ipaddress import AddressValueError, IPv6Address
from pathlib import Path

from kun_base.errors import ConfigError, Fault
from kun_nat64.config.load import load
from kun_nat64.drivers.machine import Machine
from kun_nat64.model.errors import DriverError
from kun_nat64.model.spec import AgentSpec
from kun_nat64.model.traffic import Traffic
from kun_nat64.policy.verdicts import Explanation, explain

CONFIG = Path("/etc/kun/kun-nat64.toml")


def explain_destination(text: str, config: Path | None, *, as_json: bool) -> int:
    """Exit code 0: a pod's packet gets through, 1: it does not."""
    try:
        destination = IPv6Address(text)
    except AddressValueError as error:
        raise ConfigError("command line", [Fault("IPV6", text, "must be an IPv6 address")]) from error
    spec = load(config or CONFIG)
    said = explain(destination, spec, asyncio.run(_traffic(spec)))
    print(json.dumps(_as_data(said), indent=1) if as_json else _as_text(said, spec))
    return 0 if said.reachable else 1


async def _traffic(spec: AgentSpec) -> Traffic:
    """Nothing, with a word about why, where Jool cannot be asked."""
    host = Machine(spec)
    try:
        return await host.traffic(spec.nat64.instance)
    except DriverError as error:
        print(f"sessions are not known: {error}", file=sys.stderr)
        return Traffic()
    finally:
        host.close()


def _as_data(said: Explanation) -> dict[str, object]:
    return {
        "destination": str(said.destination),
        "ipv4": None if said.ipv4 is None else str(said.ipv4),
        "reachable": said.reachable,
        "denied_by": None if said.denied_by is None else str(said.denied_by),
        "sessions": [
            {
                "protocol": one.protocol,
                "inside": str(one.inside),
                "outside": str(one.outside),
                "remote": str(one.remote),
                "state": one.state,
                "expires_s": one.expires_s,
            }
            for one in said.sessions
        ],
        "bindings": [
            {"protocol": one.protocol, "inside": str(one.inside), "outside": str(one.outside)} for one in said.bindings
        ],
    }


def _as_text(said: Explanation, spec: AgentSpec) -> str:
    if said.ipv4 is None:
        return (
            f"{said.destination} is outside {spec.gateway.pool6}: this gateway does not translate it, "
            "and drops it when it comes out of the tunnel"
        )
    lines = [f"{said.destination} embeds {said.ipv4} (RFC 6052, prefix {spec.gateway.pool6})"]
    if said.denied_by is not None:
        lines.append(f"dropped before translation: {said.denied_by} is never reached (gateway.never_reach)")
    else:
        lines.append("let through")
    lines += [
        f"{one.protocol} session {one.inside} -> {one.remote}, seen outside as {one.outside}"
        f"{', ' + one.state if one.state else ''}, expires in {one.expires_s:.0f} s"
        for one in said.sessions
    ]
    lines += [] if said.sessions else ["no session now"]
    return "\n".join(lines)
