"""Waiting by the event loop's timer: what the health clock and the life signs rest on."""

import asyncio
from itertools import pairwise
from time import monotonic

import pytest

from kun_nat64.agent.timing import pause, ticking, woken


async def test_ticks_come_when_they_are_due_and_end_with_the_stop() -> None:
    stop, dues = asyncio.Event(), list[float]()

    def tick(due: float) -> float:
        assert monotonic() >= due - 0.001
        dues.append(due)
        if len(dues) == 4:
            stop.set()
        return due + 0.02

    await asyncio.wait_for(ticking(tick, monotonic, stop), 5)
    assert len(dues) == 4
    assert [round(later - earlier, 6) for earlier, later in pairwise(dues)] == [0.02] * 3
    await asyncio.sleep(0.06)
    assert len(dues) == 4, "nothing ticks after the end"


async def test_an_error_of_a_tick_is_an_error_of_its_task() -> None:
    def tick(due: float) -> float:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(ticking(tick, monotonic, asyncio.Event()), 5)


async def test_ticking_that_is_cancelled_ticks_no_more() -> None:
    dues: list[float] = []
    task = asyncio.create_task(ticking(lambda due: dues.append(due) or due + 0.01, monotonic, asyncio.Event()))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    seen = len(dues)
    assert seen
    await asyncio.sleep(0.05)
    assert len(dues) == seen


async def test_an_event_wakes_and_so_does_the_time() -> None:
    event = asyncio.Event()
    asyncio.get_running_loop().call_later(0.02, event.set)
    await asyncio.wait_for(woken(event, 60), 5)
    event.clear()
    begun = monotonic()
    await asyncio.wait_for(woken(event, 0.05), 5)
    assert monotonic() - begun >= 0.045
    assert event.is_set()


async def test_an_alarm_that_is_not_needed_any_more_does_not_ring() -> None:
    event = asyncio.Event()
    event.set()
    await woken(event, 0.02)
    event.clear()
    await asyncio.sleep(0.06)
    assert not event.is_set()


async def test_a_pause_ends_with_the_stop() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(0.02, stop.set)
    await asyncio.wait_for(pause(60, stop), 5)
    await asyncio.wait_for(pause(0.01, asyncio.Event()), 5)
