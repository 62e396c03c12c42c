"""Both paths going through the same, and queries that wait side by side."""

from collections.abc import Callable
from time import monotonic, sleep
from types import SimpleNamespace
from typing import Any, TypeVar

from kun_dns64.model.question import Question

from .missworld import (
    ALL_RULES,
    HANDED_OVER,
    SOURCE,
    General,
    Quick,
    entries,
    grow_older,
    question_of,
    share_cookies,
    stamps,
    upstream,
)

Found = TypeVar("Found")
ROOM_S = 0.3


def early_in_a_second() -> None:
    """Waits until the current second, by which answers age, has a while left."""
    left = 1 - monotonic() % 1
    if left < ROOM_S:
        sleep(left)


def within_a_second(attempt: Callable[[], Found | None]) -> Found:
    """What `attempt` returns; None says that a second ended in it, and it is made again."""
    for _ in range(5):
        early_in_a_second()
        found = attempt()
        if found is not None:
            return found
    raise AssertionError("a second ended in every attempt")


class Pair:
    """Both paths, going through the same."""

    def __init__(self, under: str = "usual", build: Any = upstream) -> None:
        self.quick, self.general = Quick(ALL_RULES[under]), General(ALL_RULES[under])
        share_cookies(self.quick, self.general)
        self.asked: dict[int, bytes] = {}
        self._build = build

    def build(self, sent: bytes, question: Question) -> bytes:
        self.asked[question.qtype] = sent
        reply: bytes = self._build(sent, question)
        return reply

    def ask(self, wire: bytes) -> str | bytes | None:
        """None: not taken by the miss path, or a second ended in between, so that they may differ by it."""
        self.asked.clear()
        began = int(monotonic())
        said = self.quick.ask(wire, SOURCE, self.build)
        if said is None or said == HANDED_OVER:
            return said
        assert isinstance(said, bytes)
        expected = self.general.ask(wire, SOURCE, self.build, self.asked)
        if int(monotonic()) != began:
            return None
        assert said.hex() == expected.hex()
        assert entries(self.quick.lookup) == entries(self.general.lookup)
        assert stamps(self.quick.resolver.cache) == stamps(self.general.cache)
        return said

    def answers(self, wire: bytes) -> bool:
        """As `ask`, of what the miss path answers by itself. False: a second ended in between, or it was not taken."""
        said = self.ask(wire)
        assert said is None or isinstance(said, bytes)
        return said is not None

    def grow_older(self, seconds: int) -> None:
        grow_older(self.quick.resolver.cache, seconds)
        grow_older(self.general.cache, seconds)


class Out:
    """Queries side by side: what they ask is answered when the test says so."""

    def __init__(self, build: Any = upstream, under: str = "usual") -> None:
        self.pair = Pair(under, build)
        self.quick = self.pair.quick
        self.calls: list[Any] = []
        loop = SimpleNamespace(call_later=lambda delay, call: self.calls.append(call))
        self.quick.start(loop, longest_s=9.0, stagger_s=1e-9)
        self.wires: list[bytes] = []
        self.said: list[list[bytes]] = []

    def take(self, *wires: bytes) -> None:
        for wire in wires:
            self.wires.append(wire)
            self.said.append([])
            assert self.quick.path.take(wire, SOURCE, self.said[-1].append)

    def out(self) -> list[int]:
        return sorted(question_of(wire).qtype for wire in self.quick.resolver.upstreams.observed.out)

    def answer(self, qtype: int) -> None:
        """The question of this type that is out."""
        (wire,) = [w for w in self.quick.resolver.upstreams.observed.out if question_of(w).qtype == qtype]
        self.quick.resolver.upstreams.upstream.out[int.from_bytes(wire[:2])].received(
            self.pair.build(wire, question_of(wire))
        )

    def stagger(self) -> None:
        calls, self.calls = self.calls, []
        for call in calls:
            if call.__name__ == "_ask_beside":
                call()

    def compare(self) -> None:
        """Every query is answered as the general path would."""
        for wire, said in zip(self.wires, self.said, strict=True):
            (reply,) = said
            assert reply.hex() == self.pair.general.ask(wire, SOURCE, upstream, self.pair.asked).hex()
        assert self.quick.path.pending == 0
        assert not self.quick.resolver.upstreams.in_flight
        assert not self.quick.resolver.upstreams.upstream.out
