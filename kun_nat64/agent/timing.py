"""Waits that cost little CPU: an idle agent mostly wakes up."""

import asyncio
from collections.abc import Callable


async def pause(seconds: float, stop: asyncio.Event) -> None:
    """Sleep, but end early at `stop`."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


async def woken(event: asyncio.Event, within_s: float) -> None:
    """Wait until `event` is set; set it after `within_s`."""
    alarm = asyncio.get_running_loop().call_later(within_s, event.set)
    try:
        await event.wait()
    finally:
        alarm.cancel()


async def ticking(tick: Callable[[float], float], clock: Callable[[], float], stop: asyncio.Event) -> None:
    """Call `tick` with its due time, first now; it returns the next one. Ends at `stop`. Raises what `tick` raises.

    It uses only the event loop's timer: a sleeping task would need one more turn of the loop.
    """
    loop = asyncio.get_running_loop()
    failed: asyncio.Future[None] = loop.create_future()
    timer: asyncio.Handle | None = None

    def turn(due: float) -> None:
        nonlocal timer
        try:
            due = tick(due)
        except Exception as error:
            failed.set_exception(error)
        else:
            timer = loop.call_later(max(0.0, due - clock()), turn, due)

    timer = loop.call_soon(turn, clock())
    stopped = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((stopped, failed), return_when=asyncio.FIRST_COMPLETED)
    finally:
        timer.cancel()
        stopped.cancel()
    if failed.done():
        failed.result()
