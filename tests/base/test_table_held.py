"""Changes of the table that remove too much are held until somebody accepts them."""

from dataclasses import replace

import pytest

from kun_base.table_intake import TableIntake
from tests.base.table_world import (
    GATEWAY,
    SMALL,
    Controller,
    changed,
    content,
    feed,
    following,
    gone,
    many,
    pods,
)


def held(intake: TableIntake) -> str:
    return intake.held.reason


@pytest.mark.parametrize(("had", "removed", "is_held"), [
    (1000, 300, True), (1000, 201, True), (1000, 150, False), (120, 100, False), (120, 101, True), (90, 90, False),
])  # fmt: skip
def test_a_change_that_removes_too_many_clients_is_held(had: int, removed: int, is_held: bool) -> None:
    controller, intake = many(had)
    old = content(intake)
    changes = feed(intake, controller.say(gone(pods(removed))))
    assert bool(held(intake)) == is_held == (not changes)
    assert (content(intake) == old) == is_held
    assert intake.received.version == controller.view.version


def test_losing_every_gateway_or_pool_is_held() -> None:
    controller = Controller()
    intake = following(controller.snapshot())
    feed(intake, controller.say({("gateway", "gw1"): None}))
    assert held(intake) == "it removes every gateway"
    assert intake.table.gateways
    # Others in their place do not make it better: these are not known to work.
    feed(intake, controller.say({("gateway", "gw2"): replace(GATEWAY, addresses=())}))
    assert held(intake)
    feed(intake, controller.say({("gateway", "gw1"): GATEWAY}))
    assert not held(intake)
    assert set(intake.table.gateways) == {"gw1", "gw2"}


def test_what_is_held_comes_into_force_when_somebody_says_so() -> None:
    controller, intake = many()
    feed(intake, controller.say(gone(pods(500))))
    assert intake.accept("0" * 31 + "1") is None
    change = intake.accept(controller.view.version)
    assert change is not None
    assert change.removed("client") == 500
    assert intake.in_force.version == controller.view.version
    assert not held(intake)
    assert intake.accept() is None
    feed(intake, controller.say(pods(1, start=5000)))
    assert content(intake).keys() == controller.view.records.keys()


def test_deltas_go_on_top_of_what_is_held_and_are_judged_against_what_is_in_force() -> None:
    controller, intake = many()
    feed(intake, controller.say(gone(pods(250))))
    feed(intake, controller.say(pods(5, start=5000)))
    assert held(intake)
    assert "2002:a02::1388" not in intake.table.clients
    (change,) = feed(intake, controller.say(pods(200)))
    assert not held(intake)
    assert change.removed("client") == 50
    assert content(intake).keys() == controller.view.records.keys()


def test_a_snapshot_is_judged_like_a_delta() -> None:
    controller, intake = many()
    other = Controller()
    other.view.revision = 50
    intake.connected("", "all")
    assert not feed(intake, other.snapshot())
    assert held(intake) == "it removes 1000 of 1003 clients"
    intake.connected("", "all")
    feed(intake, controller.snapshot()[:-1] + [changed(controller.snapshot()[-1], revision=60)])
    assert not held(intake)


def test_accepting_while_a_change_is_half_received_loses_nothing() -> None:
    controller, intake = many()
    feed(intake, controller.say(gone(pods(500))))
    lines = controller.say(pods(3, start=5000))
    feed(intake, lines[:-1])
    assert intake.accept() is not None
    feed(intake, lines[-1:])
    assert content(intake).keys() == controller.view.records.keys()


def test_another_view_may_leave_out_what_it_leaves_out() -> None:
    _, intake = many()
    lines = Controller().snapshot()
    intake.connected("", "exceptions")
    feed(intake, [changed(lines[0], view="exceptions"), *lines[1:-1], changed(lines[-1], revision=99)])
    assert not held(intake)
    assert content(intake).keys() == SMALL.keys()
