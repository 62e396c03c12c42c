"""Asks next routers whether they are there. The kernel believes an old answer for a minute after the router died."""

import asyncio
from collections.abc import Sequence

from kun_nat64.drivers.command import CommandResult, Runner, tried

NOT_THERE = ("FAILED", "INCOMPLETE")
ASKED = "PROBE"
# The kernel asks once a second. A router answers within milliseconds; one that was asked twice in vain is silent.
LOOKS_S = (0.1, 0.4, 0.8)


async def silent_hops(
    runner: Runner,
    ifname: str,
    ways: Sequence[CommandResult | None],
    looks_s: Sequence[float] = LOOKS_S,
    version: int = 4,
) -> tuple[str, ...]:
    """Those next hops of `ways` (answers of `ip route get`) that tell no link-layer address.

    Asking is the kernel's own `nud probe`: it changes nothing for a router that answers.
    """
    hops = _hops(ways)
    states = await _states(runner, ifname, hops, version)
    asked = [hop for hop, state in states.items() if state not in (*NOT_THERE, "PERMANENT", "NOARP")]
    await asyncio.gather(*(tried(runner, "ip", "neigh", "change", hop, "dev", ifname, "nud", "probe") for hop in asked))
    for seconds in looks_s if asked else ():
        await asyncio.sleep(seconds)
        states = await _states(runner, ifname, hops, version)
        if ASKED not in states.values():
            break
    return tuple(hop for hop, state in states.items() if state in (*NOT_THERE, ASKED))


def _hops(ways: Sequence[CommandResult | None]) -> frozenset[str]:
    return frozenset(
        words[words.index("via") + 1] for way in ways if way and "via" in (words := way.stdout.split()[:-1])
    )


async def _states(runner: Runner, ifname: str, hops: frozenset[str], version: int) -> dict[str, str]:
    outcome = await tried(runner, "ip", f"-{version}", "neigh", "show", "dev", ifname) if hops else None
    lines = [line.split() for line in outcome.stdout.splitlines()] if outcome else []
    return {words[0]: words[-1] for words in lines if words and words[0] in hops}
