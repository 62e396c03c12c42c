"""Makes the changes of a plan, for the agent's cycle and for the commands."""

from collections.abc import Callable

from kun_nat64.model.errors import DriverError
from kun_nat64.model.host import Host
from kun_nat64.model.plan import Change, Plan
from kun_nat64.policy.order import batches, holds_up_nothing, waits_for

Made = Callable[[tuple[Change, ...]], None]


async def carry_out(
    todo: Plan, host: Host, *, made: Made, failed: Callable[[DriverError], None], stops_at_failure: bool
) -> DriverError | None:
    """Make the changes batch by batch. Returns the first failure; None: every change was made.

    `made`, `failed`: called for each batch. After a failure, removals and changes that depend on the failed batch are
    left out; with `stops_at_failure` all further changes are. No change depends on a kernel setting.
    """
    first: DriverError | None = None
    not_made: list[Change] = []
    for batch in batches(todo.changes):
        if waits_for(batch, not_made):
            continue
        try:
            await host.apply(batch)
        except DriverError as error:
            first = first or error
            failed(error)
            if holds_up_nothing(batch):
                continue
            if stops_at_failure:
                break
            not_made += batch
        else:
            made(batch)
    return first
