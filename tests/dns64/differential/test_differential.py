"""20,000 names of every shape, asked of kun-dns64, BIND and Unbound: each difference has a named reason.

The table of the run is left in out/differential.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.conftest import ROOT

from . import daemons, run
from .compare import Heard
from .message import AAAA, Message, Record
from .rules import BIND, RULES, UNBOUND
from .run import OURS, Outcome, Replies
from .shapes import SHAPES
from .zone import NAMES, Asked, Book, build

# Rules for what happens only when a peer was slow, or had something else in its cache already.
BY_CHANCE = {
    "links-age",
    "alias-of-a-dname",
    "soa-of-the-zone-ages",
    "any-is-passed-on",
    "proofs-live-on",
    "size-decides",
    "denied-for-another-type",
}


@dataclass(frozen=True, slots=True)
class Played:
    book: Book
    replies: Replies
    outcome: Outcome


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    if lacks := daemons.missing():
        pytest.skip(lacks)
    book = build(SHAPES)
    replies, outcome = run.play(book, tmp_path_factory.mktemp("differential"))
    _write(ROOT / "out" / "differential.md", outcome)
    return Played(book, replies, outcome)


def _write(path: Path, outcome: Outcome) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(outcome.table())


@pytest.mark.timeout(600)
def test_every_difference_has_a_named_reason(played: Played) -> None:
    left = [f"{found.peer} {run.describe(found)}" for found in played.outcome.unexplained]
    assert not left, "\n".join(left)
    assert len({asked.name.lower() for asked in played.book.asked}) >= NAMES * 0.99


def test_every_question_is_answered_by_all_three(played: Played) -> None:
    for server, heard in played.replies.items():
        silent = [asked for asked, reply in zip(played.book.asked, heard, strict=True) if reply.message is None]
        assert silent == [], server


def test_no_rule_is_there_for_nothing(played: Played) -> None:
    used = {name for name, _ in played.outcome.counts}
    assert {rule.name for rule in RULES} - used <= BY_CHANCE


def _change(index: int, change: Callable[[Message], Message]) -> Callable[[Played], Replies]:
    def changed(played: Played) -> Replies:
        heard = list(played.replies[OURS])
        message = heard[index].message
        assert message is not None
        heard[index] = Heard(change(message), heard[index].truncated)
        return {**played.replies, OURS: heard}

    return changed


def _first(played: Played, shape: str, rdtype: str = "AAAA") -> int:
    """A plain question about that shape that is answered with data of some life."""
    for index, asked in enumerate(played.book.asked):
        plain = asked == Asked(shape, asked.name, rdtype)
        ours = played.replies[OURS][index].message
        if plain and ours is not None and ours.answer and min(record.ttl for record in ours.answer) > 9:
            return index
    raise AssertionError(f"no question about {shape}")


def _each(message: Message, change: Callable[[Record], Record]) -> Message:
    return replace(message, answer=tuple(change(r) if r.rtype == AAAA else r for r in message.answer))


def _one_bit(record: Record) -> Record:
    return record._replace(rdata=record.rdata[:-1] + bytes((record.rdata[-1] ^ 1,)))


def _with(record: Record, head: bytes, ipv4: bytes = b"\1\2\3\4") -> Record:
    return record._replace(rdata=head + ipv4)


PLANTED: dict[str, tuple[str, Callable[[Message], Message]]] = {
    "another address": ("address", lambda m: _each(m, _one_bit)),
    "a longer TTL": ("address", lambda m: _each(m, lambda r: r._replace(ttl=r.ttl + 1000))),
    "no TTL": ("chain", lambda m: _each(m, lambda r: r._replace(ttl=0))),
    "a lost record": ("many", lambda m: replace(m, answer=m.answer[1:])),
    "a record twice": ("real", lambda m: replace(m, answer=m.answer * 2)),
    "no alias": ("chain", lambda m: replace(m, answer=m.answer[1:])),
    "NXDOMAIN": ("address", lambda m: replace(m, rcode=3, answer=())),
    "SERVFAIL": ("chain", lambda m: replace(m, rcode=2, answer=())),
    "nothing": ("address", lambda m: replace(m, answer=())),
    "AA": ("address", lambda m: replace(m, flags=m.flags | 0x0400)),
    "AD": ("signed_address", lambda m: replace(m, flags=m.flags | 0x0020)),
    "no RA": ("both", lambda m: replace(m, flags=m.flags & ~0x0080)),
    "TC": ("both", lambda m: replace(m, flags=m.flags | 0x0200)),
    "a stranger's case": ("real", lambda m: replace(m, question_wire=m.question_wire.swapcase())),
    "no OPT": ("real", lambda m: replace(m, opt=None)),
    "an excluded address": ("mapped_and_a", lambda m: _each(m, lambda r: _with(r, bytes(10) + b"\xff\xff"))),
    "a loopback address": ("special_and_good", lambda m: _each(m, lambda r: _with(r, r.rdata[:12], b"\x7f\0\0\1"))),
    "an error told": ("real", lambda m: replace(m, opt=m.opt and m.opt._replace(edes=(22,)))),
}  # fmt: skip


@pytest.mark.parametrize("title", PLANTED)
def test_a_planted_difference_is_caught(played: Played, title: str) -> None:
    shape, change = PLANTED[title]
    index = _first(played, shape)
    part = slice(index, index + 1)
    replies = {server: heard[part] for server, heard in _change(index, change)(played).items()}
    assert run.judge(played.book.asked[part], replies).unexplained
    untouched = {server: heard[part] for server, heard in played.replies.items()}
    assert not run.judge(played.book.asked[part], untouched).unexplained


def test_a_reply_that_no_one_else_got_is_caught(played: Played) -> None:
    index = _first(played, "address")
    asked = played.book.asked[index : index + 1]
    replies = {server: [heard[index]] for server, heard in played.replies.items()}
    for silent in (BIND, UNBOUND, OURS):
        assert run.judge(asked, {**replies, silent: [Heard(None)]}).unexplained
