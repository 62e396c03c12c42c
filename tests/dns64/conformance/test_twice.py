"""Every row once more, three times in a row: the first reply is made, the last remembered, and no byte differs.

Only the id does, the seconds that passed, and the cookie.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from . import client
from .case import Case
from .names import Names
from .run import Stage
from .server import V4
from .test_conformance import CASES
from .wire import after_name

OPT, COOKIE = 41, 10
NOERROR, NXDOMAIN = 0, 3
TIMES = 3
ROWS = [case for case in CASES if not case.slow and not case.expect.silence and not case.query.source]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_reply_is_the_same_made_and_remembered(row: Case, stage: Stage) -> None:
    server, names = stage.servers.get(row.config), Names.fresh()
    stage.one.script(names, row.upstream)
    stage.two.script(names, row.two)
    transport = row.over[0][:3]
    heard = [client.ask(row.query.to_wire(names), transport, V4, server.port).wire for _ in range(TIMES)]
    assert [reply is None for reply in heard] == [heard[0] is None] * TIMES
    replies = [_comparable(reply) for reply in heard if reply is not None]
    if replies and replies[0][0][3] & 15 not in (NOERROR, NXDOMAIN):
        del replies[0]  # only from the second time on is an error told to be remembered (RFC 8914 section 4.14)
    for raw, ttls in replies[1:]:
        assert raw.hex() == replies[0][0].hex()
        assert all(0 <= old - new <= 2 for old, new in zip(replies[0][1], ttls, strict=True))
    assert server.new_trouble() == ""


def _comparable(reply: bytes) -> tuple[bytes, list[int]]:
    """The bytes with zeros where the moment shows, and the TTLs that stood there."""
    raw, ttls = bytearray(reply), []
    raw[:2] = bytes(2)
    for place, rtype, length in _records(reply):
        if rtype == OPT:
            _forget_the_cookie(raw, place + 10, length)
        else:
            ttls.append(int.from_bytes(reply[place + 4 : place + 8]))
            raw[place + 4 : place + 8] = bytes(4)
    return bytes(raw), ttls


def _records(reply: bytes) -> Iterator[tuple[int, int, int]]:
    """Where the fixed part of each record begins, its type, the length of its data."""
    questions, *counts = struct.unpack("!4H", reply[4:12])
    place = 12
    for _ in range(questions):
        place = after_name(reply, place) + 4
    for _ in range(sum(counts)):
        place = after_name(reply, place)
        rtype, _, _, length = struct.unpack("!HHIH", reply[place : place + 10])
        yield place, rtype, length
        place += 10 + length


def _forget_the_cookie(raw: bytearray, place: int, length: int) -> None:
    """The server's half of the cookie is zeroed."""
    end = place + length
    while place < end:
        code, size = struct.unpack("!HH", raw[place : place + 4])
        if code == COOKIE and size > 8:
            raw[place + 12 : place + 4 + size] = bytes(size - 8)
        place += 4 + size
