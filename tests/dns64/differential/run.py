"""One whole run: build the zones, start everything, ask, compare, explain."""

from __future__ import annotations

import contextlib
import struct
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.dns64.conformance.server import Server
from tests.ports import free_port

from . import daemons
from .asking import Asking
from .compare import Difference, Heard, differences
from .message import Message
from .odd import OddServer
from .rules import BIND, RULES, UNBOUND, Rule, explain
from .zone import ODD, VIP, Asked, Book

OURS = "kun-dns64"
PEERS = (BIND, UNBOUND)
ATTEMPTS = 3
Replies = Mapping[str, Sequence[Heard]]


@dataclass(slots=True)
class Outcome:
    """How often each rule explained a difference from each peer, with an example; and what no rule explained."""

    questions: int = 0
    alike: int = 0
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: dict[tuple[str, str], Difference] = field(default_factory=dict)
    unexplained: list[Difference] = field(default_factory=list)

    def table(self) -> str:
        """Markdown: rule, peer, count, example, source."""
        lines = [
            f"{self.questions} questions; {self.alike} answered alike by all three.",
            f"Differences without a rule: {len(self.unexplained)}.",
            "",
            "| rule | peer | differences | example | why ours is right |",
            "|---|---|---:|---|---|",
        ]
        sources = {rule.name: rule.source for rule in RULES}
        for (name, peer), count in sorted(self.counts.items()):
            found = self.examples[name, peer]
            lines.append(f"| {name} | {peer} | {count} | `{describe(found)}` | {sources[name]} |")
        return "\n".join([*lines, ""])


def describe(difference: Difference) -> str:
    asked = difference.asked
    bits = "".join((" +do" * asked.do, " +cd" * asked.cd, " +noedns" * (not asked.edns)))
    return f"{asked.rdtype} {asked.name}{bits}: {difference.aspect.value}"


@contextlib.contextmanager
def everything(book: Book, folder: Path) -> Iterator[dict[str, int]]:
    """The ports of the three servers, with all that they need behind them."""
    with contextlib.ExitStack() as stack:

        def place(name: str) -> Path:
            (folder / name).mkdir()
            return folder / name

        odd = OddServer()
        stack.callback(odd.stop)
        nsd = daemons.authority(book, place("nsd"), free_port())
        stack.callback(nsd.stop)
        plain = daemons.plain_resolver(place("plain"), free_port(), nsd.port)
        stack.callback(plain.stop)
        bind = daemons.bind_dns64(place("bind"), free_port(), nsd.port, odd.port)
        stack.callback(bind.stop)
        unbound = daemons.unbound_dns64(place("unbound"), free_port(), nsd.port, odd.port)
        stack.callback(unbound.stop)
        ours = Server(_config(plain.port, odd.port), folder, "kun")
        stack.callback(ours.stop)
        yield {OURS: ours.port, BIND: bind.port, UNBOUND: unbound.port}
        assert ours.new_trouble() == ""


NEVER_EMBED = ["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4"]


def _config(plain: int, odd: int) -> dict[str, object]:
    return {
        "upstream": {"servers": [f"udp://{daemons.HOST}:{plain}"]},
        "cache": {"max_ttl_s": 604800},
        # The peers know no private networks: the zone is full of them.
        "dns64": {"vip": VIP, "never_embed": NEVER_EMBED},
        "zone": [{"suffix": ODD.rstrip("."), "servers": [f"udp://{daemons.HOST}:{odd}"]}],
    }


def play(book: Book, folder: Path) -> tuple[dict[str, list[Heard]], Outcome]:
    """All questions, and those about names with an unexplained difference again, of servers just started.

    A peer that gave up because the machine was busy does better the second time; a real difference comes back.
    """
    replies: dict[str, list[Heard]] = {}
    outcome, again = Outcome(), list(range(len(book.asked)))
    for attempt in range(ATTEMPTS):
        (folder / str(attempt)).mkdir()
        with everything(book, folder / str(attempt)) as ports:
            heard = ask_all([book.asked[index] for index in again], ports)
        for server, found in heard.items():
            known = replies.setdefault(server, [Heard(None)] * len(book.asked))
            for index, reply in zip(again, found, strict=True):
                known[index] = reply
        outcome = judge(book.asked, replies)
        names = {found.asked.name.lower() for found in outcome.unexplained}
        again = [index for index, asked in enumerate(book.asked) if asked.name.lower() in names]
        if not again:
            break
    return replies, outcome


def ask_all(asked: Sequence[Asked], ports: Mapping[str, int]) -> dict[str, list[Heard]]:
    """Every question to every server; the servers side by side."""
    clients = {name: Asking(port) for name, port in ports.items()}
    with ThreadPoolExecutor(len(clients)) as pool:
        waiting = {name: pool.submit(client.all, asked) for name, client in clients.items()}
        wires = {name: future.result() for name, future in waiting.items()}
    return {
        name: [read(wire, index in clients[name].truncated) for index, wire in enumerate(found)]
        for name, found in wires.items()
    }


def read(wire: bytes | None, truncated: bool) -> Heard:
    if wire is None:
        return Heard(None)
    try:
        return Heard(Message.parse(wire), truncated)
    except (ValueError, IndexError, struct.error):
        return Heard(None)


def judge(asked: Sequence[Asked], replies: Replies) -> Outcome:
    """Every difference to one of the peers, explained by the first rule that fits, or not at all."""
    outcome = Outcome(len(asked))
    for index, question in enumerate(asked):
        ours = replies[OURS][index]
        found = {peer: differences(question, peer, ours, replies[peer][index]) for peer in PEERS}
        aspects = {peer: {difference.aspect for difference in found[peer]} for peer in PEERS}
        outcome.alike += not any(found.values())
        for peer, other in ((BIND, UNBOUND), (UNBOUND, BIND)):
            for difference in found[peer]:
                _note(outcome, difference, explain(difference, difference.aspect not in aspects[other]))
    return outcome


def _note(outcome: Outcome, difference: Difference, rule: Rule | None) -> None:
    if rule is None:
        outcome.unexplained.append(difference)
        return
    key = rule.name, difference.peer
    outcome.counts[key] += 1
    outcome.examples.setdefault(key, difference)
