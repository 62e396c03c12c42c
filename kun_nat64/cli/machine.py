"""Opens the host for a command that observes and changes it."""

import sys
from collections.abc import Awaitable, Callable, Sequence

from kun_nat64.agent.carry_out import carry_out
from kun_nat64.cli.exit_codes import DONE, FAILED
from kun_nat64.drivers.preflight import Missing
from kun_nat64.drivers.real_host import RealHost
from kun_nat64.model.errors import DriverError
from kun_nat64.model.host import Host
from kun_nat64.model.observation import Observation
from kun_nat64.model.plan import Change, Plan
from kun_nat64.model.spec import AgentSpec


async def with_machine(spec: AgentSpec, work: Callable[[Host], Awaitable[int]]) -> int:
    host = RealHost(spec)
    try:
        return await work(host)
    finally:
        host.close()


def report_missing(missing: Sequence[Missing]) -> bool:
    """Print missing permissions, modules and tools; return whether there are any."""
    for each in missing:
        print(each, file=sys.stderr)
    return bool(missing)


async def change(todo: Plan, host: Host) -> bool:
    """Make the changes, print each, and stop at the first failure that others rest on. False: one failed."""
    return await carry_out(todo, host, made=_print_batch, failed=_print_failure, stops_at_failure=True) is None


def _print_batch(batch: tuple[Change, ...]) -> None:
    print(*batch, sep="\n")


def _print_failure(error: DriverError) -> None:
    print(f"failed: {error}", file=sys.stderr)


def report_result(todo: Plan, rest: Plan, seen: Observation, *, well: bool) -> int:
    """Observe again, print the result, and return the exit code."""
    print_unknown(seen)
    if rest:
        print(f"not done:\n{rest}", file=sys.stderr)
    if rest or seen.failures or not well:
        return FAILED
    print(f"{len(todo.changes)} changes made; the machine matches the file" if todo else "nothing to change")
    return DONE


def print_unknown(seen: Observation) -> None:
    for area, error in seen.failures.items():
        print(f"not looked at: {area}: {error}", file=sys.stderr)
