"""Which events come of what changed: one for all workers, each turn once, flapping held back."""

import pytest

from kun_dns64.state.server_events import DAY_S, Event, ServerEvents

UP, DOWN = (True, ""), (False, "timeout: no answer")
A, B = "udp://192.0.2.1", "udp://192.0.2.2"


def names(events: list[Event]) -> list[str]:
    return [event.name for event in events]


def turn(known: ServerEvents, a: tuple[bool, str], b: tuple[bool, str], now: float) -> list[Event]:
    return list(known.upstreams({A: [a, a], B: [b, b]}, {"": [A, B]}, now))


def test_an_upstream_that_falls_and_returns_is_one_line_each_with_why_and_how_long() -> None:
    known = ServerEvents()
    assert turn(known, UP, UP, 0.0) == []
    (down,) = turn(known, DOWN, UP, 10.0)
    assert (down.level, down.name) == ("warning", "upstream-down")
    assert (down.fields["upstream"], down.fields["why"], down.fields["down_in"]) == (A, "timeout: no answer", "2 of 2")
    assert turn(known, DOWN, UP, 11.0) == []
    (up,) = turn(known, UP, UP, 40.5)
    assert (up.level, up.name, up.fields["down_s"]) == ("info", "upstream-up", 30.5)


def test_one_worker_is_enough_for_down_and_all_are_needed_for_up() -> None:
    known = ServerEvents()
    assert names(list(known.upstreams({A: [UP, DOWN]}, {}, 1.0))) == ["upstream-down"]
    assert names(list(known.upstreams({A: [DOWN, UP]}, {}, 2.0))) == []
    assert names(list(known.upstreams({A: [UP, UP]}, {}, 3.0))) == ["upstream-up"]


def test_a_group_without_any_upstream_is_said_once_and_its_return_too() -> None:
    known = ServerEvents()
    assert names(turn(known, DOWN, DOWN, 1.0)) == ["upstream-down", "upstream-down", "group-down"]
    assert names(turn(known, UP, DOWN, 2.0)) == ["upstream-up", "group-up"]


def test_a_group_without_servers_is_not_down() -> None:
    assert list(ServerEvents().upstreams({}, {"": []}, 1.0)) == []


def test_an_upstream_that_a_reload_removes_is_forgotten() -> None:
    known = ServerEvents()
    turn(known, DOWN, UP, 1.0)
    assert list(known.upstreams({B: [UP]}, {"": [B]}, 2.0)) == []
    assert names(turn(known, DOWN, UP, 3.0)) == ["upstream-down"]


def test_flapping_fills_no_log() -> None:
    known, written = ServerEvents(), list[Event]()
    for second in range(600):
        written += turn(known, DOWN if second % 2 else UP, UP, float(second))
    assert len(written) < 60
    assert any(event.fields.get("not_logged") for event in written)
    falls = names(written).count("upstream-down")
    assert falls - names(written).count("upstream-up") in (0, 1), "every fall that was written has its return"


def test_a_gateway_down_says_what_it_does_to_answers() -> None:
    known = ServerEvents()
    assert list(known.gateways({"": {"u1": "", "u2": ""}}, 0.0)) == []
    (down,) = known.gateways({"": {"u1": "refused", "u2": ""}}, 1.0)
    assert down.name == "gateway-down"
    assert down.fields == {
        "pool": "default", "gateway": "u1", "up": "1 of 2", "why": "refused",
        "effect": "none: others of the pool are up", "not_logged": None,
    }  # fmt: skip
    (last,) = known.gateways({"": {"u1": "refused", "u2": "gone"}}, 2.0)
    assert (last.fields["up"], last.fields["effect"]) == ("0 of 2", None)
    (up,) = known.gateways({"": {"u1": "", "u2": "gone"}}, 9.0)
    assert (up.name, up.fields["down_s"]) == ("gateway-up", 8.0)


def test_limited_clients_are_said_once_a_minute_with_how_often() -> None:
    known = ServerEvents()
    assert list(known.limits([{"queries": 0}], 0.0)) == []
    (first,) = known.limits([{"queries": 3}, {"queries": 4}], 1.0)
    assert (first.name, first.fields["what"], first.fields["times"]) == ("clients-limited", "queries", 7)
    assert list(known.limits([{"queries": 500}], 2.0)) == []
    (later,) = known.limits([{"queries": 600}], 62.0)
    assert later.fields["times"] == 593
    assert list(known.limits([{"queries": 2}], 200.0)) == [], "a worker began anew"
    assert len(list(known.limits([{"queries": 3}], 300.0))) == 1


def test_a_full_cache_is_said_once_an_hour() -> None:
    known = ServerEvents()
    assert list(known.cache([0.5, 0.8], 0.0)) == []
    assert names(list(known.cache([0.2, 0.95], 1.0))) == ["cache-full"]
    assert list(known.cache([1.0], 60.0)) == []
    assert names(list(known.cache([1.0], 3700.0))) == ["cache-full"]


@pytest.mark.parametrize(
    ("days", "level", "words"),
    [(60, "", ""), (29, "warning", "ends in 29 days"), (2.5, "error", "ends in 2 days"), (-1, "error", "has ended")],
)
def test_a_certificate_near_its_end_is_said(days: float, level: str, words: str) -> None:
    events = list(ServerEvents().certificates({"tls.crt": days * DAY_S}, 0.0))
    assert [(one.level, one.fields["state"]) for one in events] == ([(level, words)] if level else [])


def test_a_certificate_is_said_again_when_it_gets_worse_and_not_before() -> None:
    known, end = ServerEvents(), 40 * DAY_S
    said = [day for day in range(42) if list(known.certificates({"tls.crt": end}, day * DAY_S))]
    assert said == [10, 26, 33, 37, 38, 39, 40]
    assert list(known.certificates({"tls.crt": end + 365 * DAY_S}, 41 * DAY_S)) == [], "it was renewed"
