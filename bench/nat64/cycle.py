"""One turn of the agent: look, desired state, plan, guard. Wall time, the tools' processes included."""

import asyncio
import time
from pathlib import Path

from bench.nat64.host import SettledHost, with_tools
from bench.nat64.planning import ANNOUNCED
from bench.nat64.spec import spec_with
from bench.nat64.timing import Timing, spread
from bench.process import BenchError
from kun_nat64.model.spec import AgentSpec
from kun_nat64.policy.desired import desired, scope
from kun_nat64.policy.diff import plan
from kun_nat64.policy.guard import guard

EACH = 3  # protocols: entries of pool4 for each address


def measure(entries: int, times: int, folder: Path) -> dict[str, Timing]:
    """Milliseconds, with `entries` entries in pool4: a whole look, and the usual one, which trusts kernel notices."""
    spec = spec_with(-(-entries // EACH))
    with_tools(folder, spec)
    fresh, usual = asyncio.run(turns(spec, times))
    return {
        f"a cycle with {entries:,} pool4 entries, everything looked at": spread(fresh),
        f"a cycle with {entries:,} pool4 entries, the usual look": spread(usual),
    }


async def turns(spec: AgentSpec, times: int) -> tuple[list[float], list[float]]:
    host = SettledHost(spec)
    host.listen()
    try:
        await turn(host, spec, fresh=True)
        fresh = [await turn(host, spec, fresh=True) for _ in range(times)]
        usual = [await turn(host, spec, fresh=False) for _ in range(times)]
    finally:
        host.close()
    return fresh, usual


async def turn(host: SettledHost, spec: AgentSpec, *, fresh: bool) -> float:
    begun = time.perf_counter()
    seen = await host.observe(scope(spec), fresh=fresh)
    todo = plan(desired(spec, ANNOUNCED), seen)
    guard(todo, spec.guard)
    took = (time.perf_counter() - begun) * 1e3
    if todo or seen.failures:
        wrong = next(iter(seen.failures.values()), None) or todo.changes[0]
        raise BenchError(f"the stand-ins do not show a settled gateway: {wrong}")
    return took
