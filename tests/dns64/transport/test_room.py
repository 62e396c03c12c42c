"""Which question goes when there is room for no more."""

import pytest

from kun_dns64.policy.client_share import DISPLACED_AFTER_S
from kun_dns64.policy.zone_share import zone_of
from kun_dns64.transport.room import Room
from tests.dns64.world import wire_name


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("a.b.example.com", "example.com"),
        ("example.com", "example.com"),
        ("a.b.example.co.uk", "example.co.uk"),
        ("a.example.de", "example.de"),
        ("com", "com"),
        ("", ""),
    ],
)
def test_what_counts_as_a_zone(name: str, zone: str) -> None:
    assert zone_of(wire_name(name)) == wire_name(zone)


def filled(room: Room, zone: str, count: int, since: float, *, waited: bool = True) -> None:
    for number in range(count):
        room.add(f"{zone} {number}".encode(), wire_name(f"n{number}.{zone}"), since + number / 1000, waited=waited)


def test_a_zone_has_a_quarter_and_displaces_its_own() -> None:
    room, new = Room(400), wire_name("new.dead.example")
    filled(room, "well.example", 5, 0.0)
    filled(room, "dead.example", 100, 10.0)
    assert not room.is_free(new, full=False)
    assert room.is_free(wire_name("new.other.example"), full=False)
    assert room.to_go(new, 10.0, full=False) is None
    assert room.to_go(new, 10.01 + DISPLACED_AFTER_S, full=False) == b"dead.example 0"


def test_those_nobody_waits_for_go_first_however_young() -> None:
    room = Room(400)
    filled(room, "a.example", 5, 0.0)
    filled(room, "b.example", 5, 99.0, waited=False)
    assert room.to_go(wire_name("new.c.example"), 99.0, full=True) == b"b.example 0"
    room.wait(b"b.example 0", waited=True)
    assert room.to_go(wire_name("new.c.example"), 99.0, full=True) == b"b.example 1"


def test_slow_questions_leave_a_quarter_to_the_fast() -> None:
    room = Room(400)
    for number in range(6):
        filled(room, f"z{number}.example", 50, 0.0)
    assert not room.is_free(wire_name("new.c.example"), full=False)
    room.remove(b"z0.example 0")
    assert room.is_free(wire_name("new.c.example"), full=False)


def test_what_is_removed_leaves_nothing() -> None:
    room = Room(400)
    filled(room, "a.example", 5, 0.0)
    for number in range(5):
        room.wait(f"a.example {number}".encode(), waited=False)
        room.remove(f"a.example {number}".encode())
        room.remove(f"a.example {number}".encode())
    assert len(room) == 0
    assert not room._zones
    assert not room._zone_by_key
