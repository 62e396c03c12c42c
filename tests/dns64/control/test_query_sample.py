"""A look at queries leaves nothing behind, also when several people look at once."""

import asyncio
from typing import Any

from kun_dns64.serving.query_sample import sample


class Front:
    def __init__(self) -> None:
        self.tap: Any = None

    def tell(self, tap: Any) -> None:
        self.tap = tap


async def test_looks_that_overlap_leave_no_tap_behind() -> None:
    front = Front()
    looks = [asyncio.create_task(sample(front, seconds)) for seconds in (0.12, 0.2, 0.16)]
    await asyncio.sleep(0.03)
    late = asyncio.create_task(sample(front, 0.1))
    await asyncio.gather(*looks, late)
    assert front.tap is None


async def test_a_tap_that_is_exchanged_during_a_look_stays() -> None:
    front, dnstap = Front(), object()
    look = asyncio.create_task(sample(front, 0.04))
    await asyncio.sleep(0.02)
    front.tell(dnstap)
    await look
    assert front.tap is dnstap
