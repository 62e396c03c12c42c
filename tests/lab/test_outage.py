"""The figures of an outage come from the requests alone."""

import json

from lab.outage import Outage, Request, outage, parse_requests

OURS, OTHER = "192.0.2.12", "192.0.2.13"


def asked(at: float, seen: str = OURS, flow: str = "udp-0") -> Request:
    return Request(at, flow, seen)


def test_lines_are_sorted_by_their_time_and_what_is_cut_off_is_left_out() -> None:
    lines = [json.dumps({"at": at, "flow": "udp-0", "seen": OURS}) for at in (2.0, 1.0)]
    assert [found.at for found in parse_requests("\n".join(['0.5, "flow": "x"}', *lines, '{"at": 3']))] == [1.0, 2.0]


def test_an_outage_lasts_from_the_first_loss_to_the_last() -> None:
    requests = [asked(1.0), asked(2.0, ""), asked(2.5), asked(3.5, ""), asked(4.0)]
    assert outage(requests, OURS, 0.0, 9.0) == Outage(sent=5, lost=2, seconds=1.5)


def test_a_lost_request_belongs_to_the_gateway_that_answered_its_flow_before() -> None:
    requests = [
        asked(1.0),
        asked(1.1, OTHER, "udp-1"),
        asked(2.0, ""),
        asked(2.1, "", "udp-1"),
        asked(2.2, "", "udp-1"),
    ]
    assert outage(requests, OURS, 0.0, 9.0).lost == 1
    assert outage(requests, OTHER, 0.0, 9.0).lost == 2


def test_a_flow_that_moved_counts_for_its_new_gateway_from_there_on() -> None:
    requests = [asked(1.0), asked(2.0, ""), asked(3.0, OTHER), asked(4.0, "")]
    assert outage(requests, OURS, 0.0, 9.0) == Outage(2, 1, 0.0)
    assert outage(requests, OTHER, 0.0, 9.0) == Outage(2, 1, 0.0)


def test_what_was_before_or_after_does_not_count() -> None:
    requests = [asked(1.0), asked(2.0, ""), asked(3.0), asked(4.0, "")]
    assert outage(requests, OURS, 2.5, 3.5) == Outage(1, 0, 0.0)


def test_one_protocol_can_be_looked_at_alone() -> None:
    requests = [asked(1.0), asked(1.0, OURS, "tcp-0"), asked(2.0, "", "tcp-0"), asked(2.0)]
    assert outage(requests, OURS, 0.0, 9.0, "tcp") == Outage(2, 1, 0.0)
    assert outage(requests, OURS, 0.0, 9.0, "udp") == Outage(2, 0, 0.0)


def test_figures_read_as_words() -> None:
    assert str(Outage(40, 3, 0.62)) == "0.6 s, 3 of 40 lost"
    assert str(Outage(40, 0, 0.0)) == "none, 40 sent"
