"""The bounds on connections are those of all workers together."""

from collections.abc import Iterable
from dataclasses import dataclass

import pytest

from kun_dns64.transport.connections import BUSY_SHARE, NEWCOMER_S, Connections, StreamLimits
from kun_dns64.transport.shared_table import shared_limits

CLIENT = "192.0.2.1"
ALL, EACH = 10, 4


@dataclass(eq=False)
class Open:
    """A connection without a socket."""

    client: str = CLIENT
    is_busy: bool = False
    may_ask_yet: bool = False
    closed: bool = False

    def finish(self) -> None: ...

    def close_now(self) -> None:
        self.closed = True


@pytest.fixture
async def workers() -> list[Connections]:
    return [Connections(StreamLimits(1000, ALL, EACH, 1.0), shared) for shared in shared_limits(3)]


def held(workers: Iterable[Connections]) -> int:
    return sum(len(one) for one in workers)


def keep_house(workers: Iterable[Connections], now: float) -> None:
    for one in workers:
        one.keep_house(now)


async def test_a_newcomer_displaces_the_clients_idle_one_at_the_same_worker(workers: list[Connections]) -> None:
    old = [Open() for _ in range(EACH)]
    for number, one in enumerate(old):
        workers[number % 2].add(one, number)
    new = Open()
    workers[0].add(new, 10)
    assert (old[0].closed, new.closed, held(workers)) == (True, False, EACH)


async def test_one_alone_at_its_worker_stays_and_the_others_make_room(workers: list[Connections]) -> None:
    old = [Open() for _ in range(EACH)]
    for number, one in enumerate(old):
        workers[number % 2].add(one, number)
    new = Open(may_ask_yet=True)
    workers[2].add(new, 10)
    assert not new.closed
    keep_house(workers, 10 + 2 * NEWCOMER_S)
    assert not new.closed
    assert held(workers) == EACH


async def test_where_all_wait_for_us_a_client_has_no_more_than_twice_its_share(workers: list[Connections]) -> None:
    for number in range(BUSY_SHARE * EACH):
        workers[number % 2].add(Open(is_busy=True), number)
    assert held(workers) == BUSY_SHARE * EACH
    new = Open()
    workers[2].add(new, 10)
    assert new.closed


async def test_all_clients_together(workers: list[Connections]) -> None:
    for number in range(3 * ALL):
        workers[number % 3].add(Open(f"198.51.100.{number}"), number)
    assert held(workers) == ALL


async def test_what_is_closed_counts_no_more_and_a_dead_worker_has_none(workers: list[Connections]) -> None:
    tables = shared_limits(2)
    first, second = (Connections(StreamLimits(1000, ALL, EACH, 1.0), shared) for shared in tables)
    for number in range(EACH):
        first.add(Open(), number)
    tables[0].forget()
    for number in range(EACH):
        second.add(Open(), number)
    assert len(second) == EACH
    second.close_all()
    assert [counts.all_elsewhere() for counts in tables[0]] == [0, 0]


async def test_those_whose_clients_do_not_read(workers: list[Connections], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kun_dns64.transport.connections.MOST_CLOGGED_OF_CLIENT", 2)
    monkeypatch.setattr("kun_dns64.transport.connections.MOST_CLOGGED", 4)
    clogged = [Open(is_busy=True) for _ in range(3)]
    for number, one in enumerate(clogged):
        workers[number].add(one, number)
        workers[number].clog(one)
    assert [one.closed for one in clogged] == [False, False, True]
    others = [Open(f"198.51.100.{number}", is_busy=True) for number in range(3)]
    for number, one in enumerate(others):
        workers[number].add(one, number)
        workers[number].clog(one)
    assert sum(one.closed for one in others) == 1


async def test_addresses_of_one_slash_56_are_one_client() -> None:
    alone = Connections(StreamLimits(1000, ALL, EACH, 1.0))
    for number in range(3 * EACH):
        alone.add(Open(f"2001:db8:0:{number:x}::1"), number)
    assert len(alone) == EACH
