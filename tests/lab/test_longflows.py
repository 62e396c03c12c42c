"""Figures of long flows come from their own lines, and from the packets at the pod."""

import json

from lab.capture import Packet
from lab.longflows import Account, Change, account, change, left_out_at, port_of, quantile, resets

POD, SERVER = "2002:a01:2:1::10", "2002:cb00:7101::c633:6450"


def lines(*told: dict[str, object]) -> str:
    return "\n".join([*(json.dumps({"at": at, **one}) for at, one in enumerate(told)), '{"at": 9'])


def test_lines_tell_what_ended_and_what_servers_saw() -> None:
    found = account(
        lines(
            {"flow": "udp-1", "seen": "192.0.2.11 20001"},
            {"ready": True},
            {"moving": {"down": 2, "up": 1}, "sent": 5, "answered": 4},
            {"ended": "down-1-40000", "why": "ConnectionResetError"},
            {"flow": "udp-1", "seen": "192.0.2.12 20001"},
        )
    )
    assert found.ready
    assert found.ended == {"down-1-40000": 3}
    assert [seen for _, seen in found.seen["udp-1"]] == ["192.0.2.11 20001", "192.0.2.12 20001"]
    assert (found.moving, found.sent, found.answered) == ({"down": 2, "up": 1}, 5, 4)


def test_a_flow_that_hangs_is_lost_as_one_that_ended_and_one_that_moved_is_not() -> None:
    before = Account(moving={"down": 3, "up": 3}, seen={"a": [(0, "x 1")], "b": [(0, "x 2")]})
    after = Account(
        moving={"down": 2, "up": 2}, ended={"up-1": 5.0}, seen={"a": [(0, "x 1")], "b": [(0, "x 2"), (3, "y 9")]}
    )
    found = change("drained", before, after)
    assert found == Change("drained", 6, 2, 2, 1)
    assert found.udp_kept == 0.5


def packet(at: float, source: str, port: int, flags: int) -> Packet:
    ports = (port, 80) if source == POD else (80, port)
    target = SERVER if source == POD else POD
    return Packet(at, source, target, 6, 60, *ports, tcp_flags=flags)


def test_the_delay_of_a_reset_counts_from_the_first_packet_that_somebody_could_have_answered() -> None:
    seen = [
        packet(0.5, SERVER, 40002, 0x04),
        packet(1.0, POD, 40000, 0x10),
        packet(1.003, SERVER, 40000, 0x04),
        packet(1.5, POD, 40001, 0x10),
        packet(1.7, POD, 40001, 0x10),
        packet(2.1, POD, 40001, 0x10),
        packet(2.5, POD, 40001, 0x10),
        packet(2.6, SERVER, 40001, 0x04),
        packet(2.7, POD, 40003, 0x10),
        packet(2.8, SERVER, 40003, 0x10),
    ]
    found = resets(seen, POD, died=0.9, settled=2.0)
    assert {port: (round(one.delay_s, 3), round(one.after_s, 3)) for port, one in found.items()} == {
        40000: (0.003, 0.103),
        40001: (0.5, 1.7),
    }


def test_a_member_is_left_out_when_the_journal_says_so_for_the_first_time() -> None:
    journal = """\
2026-11-30T19:45:00.000+00:00 kun-nat64 info ring answering=1 silent=10.2.3.2
2026-11-30T19:45:01.000+00:00 kun-nat64 info ring answering=2
2026-11-30T19:45:02.500+00:00 kun-nat64 info ring answering=1 silent=10.2.3.2
2026-11-30T19:45:03.000+00:00 kun-nat64 info ring silent="10.2.2.2, 10.2.3.2" answering=0
2026-11-30T19:45:03.500+00:00 kun-nat64 info ring answering=0 silent="10.2.2.2, 10.2.3.2"
2026-11-30T19:45:04.000+00:00 kun-nat64 warning stall seconds=0.93
"""
    first = 1796067900.0
    assert [at - first for at in left_out_at(journal, "10.2.3.2")] == [2.5]
    assert [at - first for at in left_out_at(journal, "10.2.2.2")] == [3.5]


def test_the_port_of_a_flow_is_in_its_name_and_quantiles_are_values_that_were_seen() -> None:
    assert port_of("down-3-40001") == 40001
    assert [quantile([3.0, 1.0, 2.0], part) for part in (0.5, 0.99, 1.0)] == [2.0, 3.0, 3.0]
