"""Figures of long flows come from their own lines, and from the packets at the pod."""

import json

from lab.capture import Packet
from lab.longflows import Account, Change, account, change, reset_delays

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


def test_the_delay_of_a_reset_counts_from_the_pods_packet_before_it() -> None:
    seen = [
        packet(1.0, POD, 40000, 0x10),
        packet(1.003, SERVER, 40000, 0x04),
        packet(2.0, POD, 40001, 0x10),
        packet(2.1, SERVER, 40001, 0x10),
        packet(0.5, SERVER, 40002, 0x04),
    ]
    assert [round(one, 3) for one in reset_delays(seen, POD, since=0.9)] == [0.003]
