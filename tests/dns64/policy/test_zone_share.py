"""Shares in questions that are not answered at once, and when a zone counts as silent. In both builds of the source."""

from types import ModuleType
from typing import Any

import pytest

from kun_dns64.policy import zone_share
from kun_dns64.policy.zone_share import AT_ONCE, FILLS_S, FREE, GROWTH, MOST_ZONES, PAID, REFUSED, SILENT_S
from tests.dns64.world import wire_name
from tests.loading import interpreted

DEAD = wire_name("n1.dead.example")
GROUP = ""


BUILDS = {"as imported": zone_share, "interpreted": interpreted(zone_share)}


@pytest.fixture(params=BUILDS)
def build(request: pytest.FixtureRequest) -> ModuleType:
    return BUILDS[request.param]


@pytest.mark.parametrize(
    ("name", "zones"),
    [
        ("www.dead.example", ["dead.example"]),
        ("dead.example", ["dead.example"]),
        ("a.b.dead.example", ["b.dead.example", "dead.example"]),
        ("a.b.c.d.dead.example", ["c.d.dead.example", "d.dead.example", "dead.example"]),
        ("a.b.example.co.uk", ["b.example.co.uk", "example.co.uk"]),
        ("4.3.2.1.in-addr.arpa", ["3.2.1.in-addr.arpa", "2.1.in-addr.arpa"]),
        ("3.2.1.in-addr.arpa", ["2.1.in-addr.arpa"]),
        ("2.1.in-addr.arpa", ["2.1.in-addr.arpa"]),
        ("9.8.7.6.5.4.3.2.1.ip6.arpa", ["8.7.6.5.4.3.2.1.ip6.arpa"]),
        ("example", ["example"]),
        ("", [""]),
    ],
)
def test_the_zones_a_name_counts_in(build: ModuleType, name: str, zones: list[str]) -> None:
    assert build.zones_of(wire_name(name)) == [wire_name(zone) for zone in zones]


def used_up(shares: Any, name: bytes = DEAD, now: float = 100.0, client: Any = None) -> int:
    """Questions that are not answered, until no more may go on. How many did."""
    count = 0
    while shares.goes_on(name, GROUP, now, now, client) == PAID:
        count += 1
    return count


def test_so_many_unanswered_questions_of_one_zone_go_on_at_once(build: ModuleType) -> None:
    shares = build.ZoneShares(2500)
    assert used_up(shares) == AT_ONCE[0]
    assert used_up(shares, wire_name("n1.other.example")) == AT_ONCE[0]
    assert used_up(shares, now=101.0) == AT_ONCE[0] / FILLS_S


def test_a_worker_has_its_part(build: ModuleType) -> None:
    assert used_up(build.ZoneShares(2500, 4)) == AT_ONCE[0] / 4


def test_a_zone_in_which_nothing_is_answered_is_refused_but_for_a_few(build: ModuleType) -> None:
    shares = build.ZoneShares(2500)
    used_up(shares)
    assert shares.admits(DEAD, GROUP, 100.0 + SILENT_S / 2, None) == FREE
    used_up(shares, now=100.0 + SILENT_S)
    said = [shares.admits(DEAD, GROUP, 102.0 + n / 5000, None) for n in range(5000)]
    assert said.count(FREE) == 0
    assert said.count(PAID) <= 2 * AT_ONCE[0] / FILLS_S
    assert said.count(PAID) > 0


def test_the_first_answer_ends_it(build: ModuleType) -> None:
    shares = build.ZoneShares(2500)
    used_up(shares)
    used_up(shares, now=102.0)
    assert shares.admits(DEAD, GROUP, 102.0, None) == REFUSED
    shares.answered(DEAD, GROUP, 102.0, PAID, None)
    assert shares.admits(DEAD, GROUP, 102.0, None) == FREE
    assert shares.admits(DEAD, GROUP, 110.0, None) == FREE


def test_a_zone_that_is_asked_seldom_is_never_refused(build: ModuleType) -> None:
    shares, now = build.ZoneShares(2500), 100.0
    for _ in range(500):
        assert shares.admits(DEAD, GROUP, now, None) != REFUSED
        assert shares.goes_on(DEAD, GROUP, now, now, None) == PAID
        now += 1.01 * FILLS_S / AT_ONCE[0]


def test_nothing_is_remembered_longer_than_the_allowance_takes_to_fill(build: ModuleType) -> None:
    shares = build.ZoneShares(2500)
    used_up(shares)
    assert shares.admits(DEAD, GROUP, 100.0 + FILLS_S, None) == FREE
    assert len(shares) == 0


def test_who_is_answered_late_may_have_more_out(build: ModuleType) -> None:
    shares = build.ZoneShares(10_000)
    out = used_up(shares)
    for _ in range(8):
        for _ in range(out - 1):
            shares.answered(DEAD, GROUP, 100.0, PAID, None)
        out = used_up(shares)
    assert out > 0.9 * GROWTH * AT_ONCE[0]


def test_half_of_the_answers_are_not_enough_for_more(build: ModuleType) -> None:
    """Each that is answered gives one back, so what goes on is bounded by what is answered."""
    shares, now, out, total = build.ZoneShares(10_000), 100.0, 0, 0
    for second in range(60):
        for _ in range(out // 2):
            shares.answered(DEAD, GROUP, now, PAID, None)
        now = 101.0 + second
        out = used_up(shares, now=now)
        total += out
    assert out <= 2 * GROWTH * AT_ONCE[0] / FILLS_S + 1


def test_a_dead_zone_leaves_the_domain_above_to_its_neighbours(build: ModuleType) -> None:
    shares, now = build.ZoneShares(2500), 100.0
    dead, neighbour = wire_name("n1.dead.corp.example"), wire_name("www.corp.example")
    used_up(shares, dead)
    used_up(shares, neighbour)
    for n in range(5000):
        now = 102.0 + n / 1000
        if shares.admits(dead, GROUP, now, None) != REFUSED:
            shares.goes_on(dead, GROUP, now, now, None)
    assert shares.admits(neighbour, GROUP, now, None) == PAID
    shares.answered(neighbour, GROUP, now, PAID, None)
    for _ in range(20_000):
        now += 1 / 1000
        if shares.admits(dead, GROUP, now, None) != REFUSED:
            shares.goes_on(dead, GROUP, now, now, None)
        assert shares.admits(neighbour, GROUP, now, None) != REFUSED


def test_many_zones_share_what_one_client_has(build: ModuleType) -> None:
    shares = build.ZoneShares(2500)
    client, other = build.Allowance(300, 50, 300, 0.0), build.Allowance(300, 50, 300, 0.0)
    went = sum(used_up(shares, wire_name(f"n1.dead{n}.example"), client=client) for n in range(100))
    assert went == 300
    assert used_up(shares, wire_name("n1.another.example"), client=other) == AT_ONCE[0]


def test_many_clients_share_what_all_have(build: ModuleType) -> None:
    shares = build.ZoneShares(1000)
    went = sum(used_up(shares, wire_name(f"n1.dead{n}.example")) for n in range(100))
    assert went == 1000


def test_an_answer_that_paid_nothing_gives_nothing_back(build: ModuleType) -> None:
    shares = build.ZoneShares(2500)
    used_up(shares)
    for _ in range(50):
        shares.answered(DEAD, GROUP, 100.0, FREE, None)
    assert used_up(shares) == 0


def test_an_upstream_that_is_back_ends_it_for_its_group_alone(build: ModuleType) -> None:
    shares = build.ZoneShares(2500)
    for group in ("", "lab"):
        while shares.goes_on(DEAD, group, 100.0, 102.0, None) == PAID:
            pass
    shares.forget("lab")
    assert shares.admits(DEAD, "lab", 102.0, None) == FREE
    assert shares.admits(DEAD, "", 102.0, None) == REFUSED


def test_as_many_zones_are_remembered_as_may_be(build: ModuleType) -> None:
    shares = build.ZoneShares(1e9)
    for number in range(3 * MOST_ZONES):
        shares.charge(wire_name(f"n1.d{number}.example"), GROUP, 100.0, 100.0 + number / 10_000)
        assert len(shares) <= MOST_ZONES + 1
