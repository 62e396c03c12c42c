"""Checks that no upstream is a DNS64 itself: its synthesised AAAA would count as real ones (RFC 7050)."""

import asyncio
from collections.abc import Mapping

from kun_base.journal import Journal
from kun_dns64.config.endpoint import UpstreamAddress
from kun_dns64.formats.names import from_text
from kun_dns64.model.message import Response
from kun_dns64.model.question import Question, RRType
from kun_dns64.model.step import AskedFlags
from kun_dns64.state.metrics import Metrics
from kun_dns64.transport.attempt import Request, Result, Upstream

QUESTION = Question(from_text("ipv4only.arpa."), RRType.AAAA)
ANSWER_S = 5.0


async def check_upstreams(upstreams: Mapping[UpstreamAddress, Upstream], metrics: Metrics, journal: Journal) -> None:
    """Warn of a DNS64, and set a gauge for each upstream that answered. Others are not judged."""
    async with asyncio.TaskGroup() as asking:
        verdicts = {address: asking.create_task(_is_dns64(upstream)) for address, upstream in upstreams.items()}
    for address, task in verdicts.items():
        synthesises = task.result()
        if synthesises is None:
            continue
        metrics.gauge("upstream_is_dns64", float(synthesises), str(address))
        if synthesises:
            journal.warning("upstream-is-dns64", upstream=str(address), advice="use one that does not synthesise AAAA")


async def _is_dns64(upstream: Upstream) -> bool | None:
    future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()

    def done(result: Result) -> None:
        if not future.done():
            future.set_result(result)

    attempt = upstream.send(Request(QUESTION, AskedFlags()), done)
    try:
        async with asyncio.timeout(ANSWER_S):
            outcome = (await future).outcome
    except TimeoutError:
        attempt.cancel()
        return None
    if not isinstance(outcome, Response):
        return None
    return any(record.rtype == RRType.AAAA for record in outcome.answer)
