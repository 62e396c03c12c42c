"""Looks at what is not ours and may stand in the packets' way. Never fails: what cannot be seen is not among it."""

import asyncio
from collections.abc import Sequence
from ipaddress import IPv4Address
from pathlib import Path

from kun_nat64.drivers.command import CommandResult, Runner, tried
from kun_nat64.drivers.nexthop import silent_hops
from kun_nat64.drivers.wayback import look_back
from kun_nat64.model.foreign_objects import Surroundings
from kun_nat64.model.spec import AgentSpec
from kun_nat64.policy.blocking_rules import answer_obstructions, tunnel_obstructions

SETTINGS = Path("/proc/sys/net/ipv4/conf")
STRICT = "1"
CONNTRACK, NEARLY = Path("/proc/sys/net/netfilter"), 0.98


async def look_around(runner: Runner, spec: AgentSpec, settings: Path = SETTINGS) -> Surroundings:
    """A handful of commands, at once: for when something fails, not for every turn."""
    rules, addresses, ways = await asyncio.gather(
        tried(runner, "iptables-save"),
        tried(runner, "ip", "-o", "-4", "address", "show"),
        asyncio.gather(*(tried(runner, "ip", "-o", "-4", "route", "get", str(target)) for target in _targets(spec))),
    )
    saved = rules.stdout if rules and rules.exit_code == 0 else ""
    uplink = spec.gateway.uplink or _holder(addresses, str(spec.bgp.next_hop))
    return Surroundings(
        default_route=_leads_out(ways, spec.gateway.outside),
        input_drops=_in_the_tunnels_way(saved, spec, uplink),
        answer_drops=answer_obstructions(saved),
        absent=_absent(addresses, spec),
        silent=await silent_hops(runner, spec.gateway.outside, ways),
        strict=strict_interfaces(settings),
        tracked=full_conntrack(),
        back=await look_back(runner, spec, uplink, saved),
        uplink=uplink,
    )


def _in_the_tunnels_way(saved: str, spec: AgentSpec, uplink: str) -> tuple[str, ...]:
    if spec.gateway.is_native:
        return ()
    return tunnel_obstructions(saved, spec.gateway.tunnel_end, uplink, spec.health.node)


def _targets(spec: AgentSpec) -> tuple[IPv4Address, ...]:
    """Two are enough to tell a missing default route from a target that has a route of its own."""
    return tuple(dict.fromkeys(target.address for target in spec.health.targets))[:2]


def _leads_out(ways: Sequence[CommandResult | None], outside: str) -> bool | None:
    known = [way for way in ways if way is not None]
    return any(way.exit_code == 0 and f" dev {outside} " in f"{way.stdout} " for way in known) if known else None


def _absent(addresses: CommandResult | None, spec: AgentSpec) -> tuple[str, ...]:
    if addresses is None or addresses.exit_code != 0:
        return ()
    held = {word.partition("/")[0] for line in addresses.stdout.splitlines() for word in line.split()[3:4]}
    return tuple(dict.fromkeys(str(one.address) for one in spec.nat64.pool4 if str(one.address) not in held))


def _holder(addresses: CommandResult | None, wanted: str) -> str:
    """The interface with that address; not the loopback; "" where there is none."""
    lines = [line.split() for line in addresses.stdout.splitlines()] if addresses and addresses.exit_code == 0 else []
    held = {words[3].partition("/")[0]: words[1] for words in lines if len(words) > 3 and words[1] != "lo"}
    return held.get(wanted, "")


def strict_interfaces(settings: Path = SETTINGS) -> tuple[str, ...]:
    """Where the kernel drops packets whose answers would go out elsewhere: the larger of its own value and of `all`."""
    values = {folder.name: _text(folder / "rp_filter") for folder in sorted(settings.glob("*"))}
    general = values.pop("all", "0")
    return tuple(name for name, value in values.items() if name != "default" and max(value, general) == STRICT)


def full_conntrack(folder: Path = CONNTRACK) -> tuple[int, int] | None:
    """(tracked, most) of a table of connections that has no room; None where it has, or is not in use here."""
    try:
        count, most = (int(_text(folder / name)) for name in ("nf_conntrack_count", "nf_conntrack_max"))
    except ValueError:
        return None
    # Entries come and go all the time: it is never quite full.
    return (count, most) if most and count >= most * NEARLY else None


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
