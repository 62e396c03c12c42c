"""Looks at the way back to the pods: routes and rules of both families, queues and filters, rules on the way out.

Never fails: what cannot be seen is not among it.
"""

import asyncio
import json
from ipaddress import IPv6Address
from typing import Any

from kun_nat64.drivers.command import CommandResult, Runner, tried
from kun_nat64.drivers.nearnodes import TABLE
from kun_nat64.drivers.nexthop import silent_hops
from kun_nat64.model.foreign_objects import WayBack
from kun_nat64.model.spec import AgentSpec
from kun_nat64.policy.blocking_rules import way_out_obstructions
from kun_nat64.policy.probepath import probe_address, returns_by_tunnel

# What the kernel has from the beginning.
OWN_RULES = {
    "4": ("0: from all lookup local", "32766: from all lookup main", "32767: from all lookup default"),
    "6": ("0: from all lookup local", "32766: from all lookup main"),
}
# Root queues that a link has by itself; `noqueue` is a tunnel's. The others may be right on an uplink, not on a tunnel.
PLAIN_QUEUES = ("noqueue", "mq", "fq_codel", "pfifo_fast", "fq", "clsact", "ingress", "noop")
# Queues that are made to lose packets.
LOSING_QUEUES = ("netem", "blackhole")


async def look_back(runner: Runner, spec: AgentSpec, uplink: str, saved: str) -> WayBack:
    """`saved`: what `iptables-save` printed."""
    if spec.gateway.is_native:
        return await _look_back_to_pods(runner, spec)
    node, gateway = spec.health.node, spec.gateway
    # A pod's answer has an address of pool6 as its source; which one makes no difference to a route.
    source = IPv6Address(int(gateway.pool6.network.network_address) | 1)
    to_node, to_pod, *rules = await asyncio.gather(
        tried(runner, "ip", "-o", "-4", "route", "get", str(node), "from", str(gateway.tunnel_end)),
        tried(runner, "ip", "-o", "-6", "route", "get", str(probe_address(spec)), "from", str(source)),
        tried(runner, "ip", "-4", "rule", "show"),
        tried(runner, "ip", "-6", "rule", "show"),
    )
    queues = await asyncio.gather(
        _queues(runner, gateway.tunnel, every=True), _queues(runner, uplink, every=False) if uplink else _nothing()
    )
    return WayBack(
        nodes=_ipv4_amiss(to_node, str(node), gateway.outside, uplink),
        pods=_ipv6_amiss(to_pod, gateway.tunnel) if returns_by_tunnel(spec) else "",
        rules=(*_strange(rules[0], "4"), *_strange(rules[1], "6")),
        queues=queues[0] + queues[1],
        drops=way_out_obstructions(saved, gateway.tunnel_end, node, uplink),
        silent=await silent_hops(runner, uplink, [to_node]) if uplink else (),
    )


async def _look_back_to_pods(runner: Runner, spec: AgentSpec) -> WayBack:
    """Without a tunnel: one route, of IPv6, by the uplink."""
    uplink = spec.gateway.uplink
    source = IPv6Address(int(spec.gateway.pool6.network.network_address) | 1)
    asked = ("ip", "-o", "-6", "route", "get", str(probe_address(spec)), "from", str(source))
    to_pod, rules, queues = await asyncio.gather(
        tried(runner, *asked),
        tried(runner, "ip", "-6", "rule", "show"),
        _queues(runner, uplink, every=False),
    )
    return WayBack(
        pods=_ipv6_amiss(to_pod, uplink),
        rules=_strange(rules, "6"),
        queues=queues,
        silent=await silent_hops(runner, uplink, [to_pod], version=6),
    )


def _ipv4_amiss(way: CommandResult | None, node: str, outside: str, uplink: str) -> str:
    if way is None:
        return ""
    if way.exit_code != 0:
        why = way.stderr.strip().removeprefix("RTNETLINK answers: ")
        return f"no route from the VIP to {node}, which represents the nodes: {why}"
    device = _device(way)
    if device == outside != uplink:
        return f"{node}, which represents the nodes, is routed by {outside}, the interface outside"
    if device and uplink and device != uplink:
        return f"{node}, which represents the nodes, is routed by {device}, not by {uplink}"
    return ""


def _ipv6_amiss(way: CommandResult | None, tunnel: str) -> str:
    if way is None:
        return ""
    if way.exit_code != 0:
        return f"no route back to the pods: {way.stderr.strip().removeprefix('RTNETLINK answers: ')}"
    device = _device(way)
    return "" if device in ("", tunnel) else f"the route back to the pods leads by {device}, not by {tunnel}"


def _device(way: CommandResult) -> str:
    words = way.stdout.split()
    return words[words.index("dev") + 1] if "dev" in words[:-1] else ""


def _strange(shown: CommandResult | None, family: str) -> tuple[str, ...]:
    """Rules of others, and the kernel's own that are gone."""
    if shown is None or shown.exit_code != 0:
        return ()
    found = [" ".join(line.split()) for line in shown.stdout.splitlines() if line.strip()]
    own = OWN_RULES[family]
    more = [f"ip -{family} rule {rule}" for rule in found if rule not in own and f"lookup {TABLE}" not in rule]
    # A kernel without the table `default` for IPv4 does not exist; one that is not looked up holds nothing.
    gone = [f"ip -{family} rule missing: {rule}" for rule in own[:2] if rule not in found]
    return (*more, *gone)


async def _nothing() -> tuple[str, ...]:
    return ()


async def _queues(runner: Runner, link: str, *, every: bool) -> tuple[str, ...]:
    """Queues that lose packets, or, with `every`, all that a link does not have by itself; and filters that drop."""
    shown, *filters = await asyncio.gather(
        tried(runner, "tc", "-j", "qdisc", "show", "dev", link),
        tried(runner, "tc", "-j", "filter", "show", "dev", link, "ingress"),
        tried(runner, "tc", "-j", "filter", "show", "dev", link, "egress"),
    )
    kinds = [str(each["kind"]) for each in _read(shown) if each.get("kind")]
    odd = [kind for kind in kinds if kind in LOSING_QUEUES or (every and kind not in PLAIN_QUEUES)]
    dropping = [
        f"tc filter {hook} of {link} drops packets"
        for hook, listed in zip(("ingress", "egress"), filters, strict=True)
        if any(_drops(each) for each in _read(listed))
    ]
    return (*(f"tc qdisc {kind} on {link}" for kind in odd), *dropping)


def _read(shown: CommandResult | None) -> list[dict[str, Any]]:
    try:
        found = json.loads((shown.stdout if shown and shown.exit_code == 0 else "") or "[]")
    except (ValueError, RecursionError):
        return []
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _drops(listed: dict[str, Any]) -> bool:
    options = listed.get("options")
    actions = options.get("actions", ()) if isinstance(options, dict) else ()
    kinds = [one.get("control_action") for one in actions if isinstance(one, dict)]
    return any(isinstance(one, dict) and one.get("type") == "drop" for one in kinds)
