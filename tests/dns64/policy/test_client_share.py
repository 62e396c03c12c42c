"""Who waits, who makes room, and how fast held answers leave."""

from dataclasses import dataclass, field

import pytest

from kun_dns64.policy.client_share import (
    DISPLACED_AFTER_S,
    FACTOR,
    MOST_CLIENTS,
    MOST_DELAY_S,
    PACE_BURST_BYTES,
    PACE_BYTES_PER_S,
    ClientShare,
    ClientShares,
)


@dataclass(eq=False)
class Slow:
    began: float
    log: list[float] = field(default_factory=list)

    def displace(self) -> None:
        self.log.append(self.began)


def test_the_oldest_makes_room_once_it_has_waited() -> None:
    share, log = ClientShare(3, False), list[float]()
    share.slow = type(share.slow)((Slow(began, log), None) for began in (10.0, 10.1))
    assert not share.make_room(10.0 + DISPLACED_AFTER_S / 2)
    assert share.make_room(10.01 + DISPLACED_AFTER_S)
    assert log == [10.0]
    assert not share.make_room(10.06 + DISPLACED_AFTER_S)


def test_a_forwarder_and_a_proven_address_have_more() -> None:
    assert ClientShare(5, False).most_proven == ClientShare(5, True).most == ClientShare(5, True).most_proven
    assert ClientShare(5, True).most == 5 * FACTOR


def left(share: ClientShare, now: float) -> int:
    """Bytes that may leave at this time."""
    return sum(len(packet) for _, packet in share.release(now))


def filled(size: int = 1000) -> ClientShare:
    """A share that holds as much as it may, its burst used up at 50.0."""
    share = ClientShare(5, False)
    while share.may_leave(size, 50.0):
        pass
    while share.hold(ignore, bytes(size)):
        pass
    return share


def ignore(_: bytes | None) -> None: ...


def test_a_burst_leaves_at_once_and_what_would_leave_too_late_is_dropped() -> None:
    share = ClientShare(5, False)
    burst = 0
    while share.may_leave(1000, 50.0):
        burst += 1000
    assert PACE_BURST_BYTES - 1000 < burst <= PACE_BURST_BYTES
    held = 0
    while share.hold(ignore, bytes(1000)):
        held += 1000
    assert held == PACE_BYTES_PER_S * MOST_DELAY_S


@pytest.mark.parametrize("every_s", [0.001, 0.01, 0.3], ids=["an idle loop", "a busy one", "one that stalls"])
def test_the_rest_leaves_at_the_pace_however_late_the_loop_is(every_s: float) -> None:
    share, now, sent = filled(), 50.0, list[tuple[float, int]]()
    while share.held:
        now += every_s
        sent.append((now, left(share, now)))
    for start, _ in sent:
        window = sum(size for at, size in sent if 0 <= at - start < 0.1)
        assert window <= PACE_BURST_BYTES + 0.1 * PACE_BYTES_PER_S
    assert share.may_leave(1000, now + 60)


def test_it_says_when_the_next_one_may_leave() -> None:
    share = filled()
    wait_s = share.next_in_s()
    assert 0 < wait_s <= 0.001
    assert left(share, 50.0 + wait_s * 0.5) == 0
    assert left(share, 50.0 + wait_s + 1e-6) == 1000


def test_an_answer_larger_than_the_burst_leaves_too() -> None:
    share = ClientShare(5, False)
    assert share.may_leave(PACE_BURST_BYTES + 1, 50.0)
    assert not share.may_leave(1, 50.0)


def test_clients_are_forgotten_but_those_that_wait() -> None:
    shares = ClientShares(5, lambda source: source, lambda _: False)
    first = shares.of("first")
    first.waiting = 1
    for number in range(2 * MOST_CLIENTS):
        shares.of(str(number))
    assert shares.of("first") is first
    assert len(shares._by_client) <= MOST_CLIENTS + 1
