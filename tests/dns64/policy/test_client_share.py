"""Who waits, who makes room, and how fast held answers leave."""

from dataclasses import dataclass, field

from kun_dns64.policy.client_share import (
    DISPLACED_AFTER_S,
    FACTOR,
    MOST_CLIENTS,
    MOST_DELAY_S,
    PACE_BURST_OCTETS,
    PACE_OCTETS_PER_S,
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


def test_a_burst_leaves_at_once_and_the_rest_at_the_pace_until_it_is_too_late() -> None:
    share, delays = ClientShare(5, False), list[float]()
    while (delay := share.delay_s(1000, 50.0)) is not None:
        delays.append(delay)
    assert sum(delay == 0 for delay in delays) in (PACE_BURST_OCTETS // 1000, PACE_BURST_OCTETS // 1000 + 1)
    assert delays == sorted(delays)
    assert len(delays) * 1000 <= PACE_BURST_OCTETS + PACE_OCTETS_PER_S * MOST_DELAY_S + 2000
    assert share.delay_s(1000, 60.0) == 0


def test_clients_are_forgotten_but_those_that_wait() -> None:
    shares = ClientShares(5, lambda source: source, lambda _: False)
    first = shares.of("first")
    first.waiting = 1
    for number in range(2 * MOST_CLIENTS):
        shares.of(str(number))
    assert shares.of("first") is first
    assert len(shares._by_client) <= MOST_CLIENTS + 1
