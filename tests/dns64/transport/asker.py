"""Asks real upstreams, as a test would: one question, one outcome."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from kun_dns64.config.endpoint import UpstreamAddress
from kun_dns64.config.settings import Asking
from kun_dns64.fastpath.selection import choose_parts
from kun_dns64.formats.names import from_text
from kun_dns64.model.message import Response
from kun_dns64.model.question import Question, RRType
from kun_dns64.model.step import AskedFlags, FailureKind, UpstreamFailure
from kun_dns64.transport.upstreams import Outcome, Upstreams
from tests.dns64.transport.fake import FakeUpstream
from tests.ports import free_port

PLAIN = AskedFlags()
ASKING = Asking(0.05, True, False, False, 100, None, 1.8)
NAME = "www.t.example."
PATIENT_S = 8.0


def question(name: str = NAME, rtype: int = RRType.A) -> Question:
    return Question(from_text(name), rtype)


class Asker:
    """Upstreams, and what came of the questions put to them."""

    def __init__(self, *addresses: UpstreamAddress, asking: Asking = ASKING) -> None:
        self.heard: list[Outcome] = []
        self.upstreams = Upstreams({"": addresses}, asking, self.heard.append, choose_parts().ports)

    async def ask(self, asked: Question | None = None, flags: AskedFlags = PLAIN) -> Outcome:
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.upstreams.ask(asked or question(), flags, "", future.set_result)
        async with asyncio.timeout(PATIENT_S):
            return await future


@asynccontextmanager
async def asker(*upstreams: FakeUpstream | UpstreamAddress, asking: Asking = ASKING) -> AsyncIterator[Asker]:
    made = Asker(*(u.address() if isinstance(u, FakeUpstream) else u for u in upstreams), asking=asking)
    try:
        yield made
    finally:
        await made.upstreams.close()
        await asyncio.sleep(0.01)


def a_of(outcome: Outcome) -> str:
    assert isinstance(outcome.result.outcome, Response), outcome
    return socket.inet_ntoa(outcome.result.outcome.answer[0].rdata)


def failure_of(outcome: Outcome) -> FailureKind:
    assert isinstance(outcome.result.outcome, UpstreamFailure), outcome
    return outcome.result.outcome.kind


def nobody() -> UpstreamAddress:
    return UpstreamAddress.parse(f"udp://127.0.0.1:{free_port()}")
