"""One question costs what its answer is worth, whatever is stored under its name (issue: thousands of A records)."""

import asyncio
from functools import partial
from pathlib import Path

import pytest

from tests.dns64.app.running import Running, running
from tests.dns64.hardening.cost import asked_all, ms_each, query, with_many
from tests.dns64.transport.fake import fake_upstream

RECORDS = 2000
# Loading, the meter's own ticks (10 ms) and what a busy machine adds included. The old code took 6 to 25 ms.
MOST_MS = 2.0

SHAPES = {
    "EDNS sizes": [query("many.t.example.", payload=512 + n, ident=n) for n in range(600)],
    "sizes no server offers": [query("many.t.example.", payload=4096 + n, ident=n) for n in range(300)],
    "A, EDNS sizes": [query("many.t.example.", "A", 512 + n, ident=n) for n in range(600)],
    "bits without a meaning": [query("many.t.example.", flags=n << 9 & 0x0600 | n & 0x5F, ident=n) for n in range(300)],
}


async def ready(one: Running) -> None:
    assert len((await one.ask("many.t.example.", tcp=True)).answer[0]) == RECORDS


@pytest.mark.parametrize("shape", SHAPES)
async def test_no_variation_of_a_question_makes_its_answer_anew(tmp_path: Path, shape: str) -> None:
    script = partial(with_many, count=RECORDS)
    async with fake_upstream(script) as fake, running(tmp_path, fake.port) as one:
        await ready(one)
        took_ms = await asyncio.to_thread(ms_each, one.process.pid, one.port, SHAPES[shape])
        assert took_ms < MOST_MS


async def test_every_size_gets_what_fits_and_tc(tmp_path: Path) -> None:
    script = partial(with_many, count=RECORDS)
    async with fake_upstream(script) as fake, running(tmp_path, fake.port) as one:
        await ready(one)
        sizes = [512, 513, 600, 1000, 1231, 1232, 1233, 4096, 65535]
        replies = await asyncio.to_thread(
            asked_all, one.port, [query("many.t.example.", payload=size) for size in sizes]
        )
        for size, reply in zip(sizes, replies, strict=True):
            assert reply[2] & 0x02
            assert min(size, 1232) - 150 < len(reply) <= min(size, 1232)
