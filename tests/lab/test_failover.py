"""The figures of a gateway's death come from the requests alone."""

import json

from lab.failover import Death, Fetch, figures, parse_fetches, spread


def fetch(at: float, took_s: float = 0.1, seen: str = "192.0.2.11", error: str = "") -> Fetch:
    return Fetch(at, took_s, "" if error else seen, error)


def death(at: float, gateway: str = "gw3") -> Death:
    return Death(gateway, "silent", at, 2.5)


def test_lines_are_sorted_by_their_beginning_and_a_cut_off_one_is_left_out() -> None:
    lines = [json.dumps({"at": at, "took_s": 0.1, "seen": "a", "error": ""}) for at in (2.0, 1.0)]
    assert [found.at for found in parse_fetches("\n".join([*lines, '{"at": 3']))] == [1.0, 2.0]


def test_failures_are_counted_and_the_outage_ends_with_the_last_of_them() -> None:
    fetches = [
        fetch(9.0),
        fetch(10.2, 2.0, error="TimeoutError"),
        fetch(11.5, 2.0, error="TimeoutError"),
        fetch(13.0, 0.4),
    ]
    (found,) = figures(fetches, [death(10.0)])
    assert (found.requests, found.failed, found.outage_s, found.slowest_s) == (3, 2, 1.5, 0.4)


def test_a_request_under_way_at_the_death_belongs_to_it() -> None:
    (found,) = figures([fetch(9.9, 2.0, error="TimeoutError")], [death(10.0)])
    assert (found.requests, found.failed, found.outage_s) == (1, 1, 0.0)


def test_each_death_has_the_requests_until_the_next() -> None:
    fetches = [fetch(float(at)) for at in range(20)]
    found = figures(fetches, [death(5.0), death(12.0, "gw2")])
    assert [(one.gateway, one.requests) for one in found] == [("gw3", 7), ("gw2", 8)]


def test_no_failure_is_no_outage() -> None:
    (found,) = figures([fetch(10.5)], [death(10.0)])
    assert (found.failed, found.outage_s) == (0, 0.0)


def test_only_requests_that_succeeded_are_spread_over_gateways() -> None:
    assert spread([fetch(1.0), fetch(2.0, seen="192.0.2.12"), fetch(3.0), fetch(4.0, error="x")]) == {
        "192.0.2.11": 2,
        "192.0.2.12": 1,
    }
