"""Changes of the table that are refused as a whole, each with its reason."""

import json
from dataclasses import replace

import pytest

from kun_base.table_fields import TableFault
from kun_cluster.formats.record_text import Record
from kun_cluster.model.table import Client, Share
from tests.base.table_world import (
    DEFAULT,
    GATEWAY,
    POOL,
    SMALL,
    WEB,
    Controller,
    changed,
    content,
    feed,
    following,
    pods,
)


def wrong(where: str, **fields: object) -> list[str]:
    """The small snapshot with other fields in its first line of a type."""
    lines = Controller().snapshot()
    place = next(number for number, line in enumerate(lines) if json.loads(line)["type"] == where)
    return [*lines[:place], changed(lines[place], **fields), *lines[place + 1 :]]


def value(kind: str, **fields: object) -> list[str]:
    line = next(line for line in Controller().snapshot() if json.loads(line)["type"] == kind)
    return wrong(kind, value={**json.loads(line)["value"], **fields})


def with_records(records: dict[tuple[str, str], Record | None]) -> list[str]:
    return Controller({**SMALL, **records}).snapshot()  # type: ignore[dict-item]


LINES = Controller().snapshot()
FAULTS = {
    "another format": (wrong("begin", format=2), "format"),
    "a format that is true": (wrong("begin", format=True), "format"),
    "another view": (wrong("begin", view="exceptions"), "the view is exceptions"),
    "a delta from nothing": (wrong("begin", change="delta", **{"from": "0" * 32}), "a delta starts at"),
    "an unknown type": (wrong("pool", type="route"), "unknown type"),
    "no type": (wrong("pool", type=None), "unknown type"),
    "a type that is a list": (wrong("pool", type=[]), "unknown type"),
    "no value": (wrong("pool", value=None), "not an object"),
    "no name": (wrong("pool", name=""), "name"),
    "a name with a tab": (wrong("pool", name="a\tb"), "name"),
    "a field is missing": (value("pool", vip=None), "vip"),
    "a field of another type": (value("pool", default=1), "must be true or false"),
    "an address that is a number": (value("pool", vip=3405803777), "vip"),
    "a prefix of another length": (value("pool", prefixes=["2002:cb00:7101::/95"]), "prefixes"),
    "a word that is not known": (value("pool", when_down="panic"), "when_down"),
    "a URL of another kind": (value("pool", gateway_status=["file:///etc/passwd"]), "gateway_status"),
    "a mark too large": (value("class", mark=4_194_305), "mark"),
    "a mark that is a fraction": (value("class", mark=1.0), "mark"),
    "ports backwards": (value("gateway", addresses=[{"address": "192.0.2.1", "ports": "9-8", "gateway": ""}]), "ports"),
    "ports beyond the last": (
        value("gateway", addresses=[{"address": "192.0.2.1", "ports": "9-65536", "gateway": ""}]),
        "ports",
    ),
    "a share without an address": (value("gateway", addresses=[{"ports": "1-2", "gateway": ""}]), "addresses"),
    "a client with host bits": (wrong("clients", entries=[["2002:a01:2::1/64", "a"]]), "shortest form"),
    "a client with /128": (wrong("clients", entries=[["2002:a01:2::1/128", "a"]]), "shortest form"),
    "a client with capitals": (wrong("clients", entries=[["2002:A01:2::1", "a"]]), "shortest form"),
    "a client with zeros": (wrong("clients", entries=[["2002:a01:0:0::1", "a"]]), "shortest form"),
    "a client that is not a network": (wrong("clients", entries=[["all", "a"]]), "shortest form"),
    "a length with a sign": (wrong("clients", entries=[["10.0.0.0/+8", "a"]]), "shortest form"),
    "a length with a zero": (wrong("clients", entries=[["10.0.0.0/08", "a"]]), "shortest form"),
    "no clients": (wrong("clients", entries=[]), "entries"),
    "too many clients": (wrong("clients", entries=[["10.1.2.3", "a"]] * 501), "1 to 500"),
    "a client twice": (wrong("clients", entries=[["10.1.2.3", "a"], ["10.1.2.3", "a"]]), "twice"),
    "a pool twice": ([*LINES[:2], LINES[1], *LINES[2:]], "twice"),
    "a removal in a snapshot": (
        [*LINES[:-1], '{"type":"remove","pools":["standard"]}', LINES[-1]],
        "a snapshot removes",
    ),
    "a begin in a change": ([*LINES[:2], LINES[0], *LINES[2:]], "begins inside"),
    "a heartbeat in a change": (
        [*LINES[:2], Controller().view.heartbeat(0), *LINES[2:]],
        "before the change was committed",
    ),
    "a record outside": (LINES[1:], "before the change began"),
    "a commit outside": (LINES[-1:], "without a change"),
    "a line lost": (LINES[:2] + LINES[3:], "sum up to"),
    "another version": (wrong("commit", version="f" * 32), "sum up to"),
    "no version": (wrong("commit", version=""), "sum up to"),
    "another count": (wrong("commit", counts={"pool": 2, "gateway": 1, "class": 3, "client": 4}), "the commit says"),
    "no counts": (wrong("commit", counts=None), "counts"),
    "no revision": (wrong("commit", revision=None), "revision"),
    "no time": (wrong("commit", at="yesterday"), "at"),
    "a time without a zone": (wrong("commit", at="2026-11-30T12:00:00"), "at"),
    "a class that is not there": (with_records({("client", "10.9.9.9"): Client("none", "a", "b")}), "'none'"),
    "a pool that is not there": (with_records({("class", "x"): replace(DEFAULT, pool="none")}), "'none'"),
    "a pool for a name that is not there": (
        with_records({("class", "x"): replace(DEFAULT, domains=(("example.org", "none"),))}),
        "'none'",
    ),
    "a fallback that is not there": (
        with_records({("pool", "x"): replace(POOL, is_default=False, fallback="none")}),
        "'none'",
    ),
    "a gateway's pool that is not there": (
        with_records({("gateway", "x"): replace(GATEWAY, pool="none", addresses=())}),
        "'none'",
    ),
    "two defaults": (with_records({("pool", "x"): POOL}), "both the default"),
    "a mark of two classes": (
        with_records({("class", "other"): replace(WEB, addresses=())}),
        "the classes 'team-00/web' and 'other' both have the mark",
    ),
    "a port in two shares": (
        with_records({("class", "x"): replace(WEB, addresses=(Share("192.0.2.11", 3071, 4000, "gw2"),))}),
        "port 3071 of 192.0.2.11 is in two shares",
    ),
}


@pytest.mark.parametrize(("lines", "sentence"), FAULTS.values(), ids=FAULTS)
def test_a_snapshot_that_lies_is_refused_whole(lines: list[str], sentence: str) -> None:
    controller = Controller({**pods(3), ("class", "default"): DEFAULT})  # type: ignore[dict-item]
    intake = following(controller.snapshot())
    before = (content(intake), intake.in_force, intake.received)
    intake.connected("", "all")
    with pytest.raises(TableFault) as raised:
        feed(intake, lines)
    assert sentence in str(raised.value)
    assert (content(intake), intake.in_force, intake.received) == before
    intake.connected("", "all")
    feed(intake, LINES)
    assert content(intake).keys() == SMALL.keys()


DELTAS = {
    "one that is not there": ({"type": "remove", "clients": ["10.9.9.9"]}, "does not exist"),
    "a class in use": ({"type": "remove", "classes": ["native"]}, "sum up to"),
    "nothing": ({"type": "remove"}, "1 to 500"),
    "a key that is no text": ({"type": "remove", "clients": [7]}, "1 to 500"),
}


@pytest.mark.parametrize(("line", "sentence"), DELTAS.values(), ids=DELTAS)
def test_a_removal_that_cannot_be_is_refused(line: dict[str, object], sentence: str) -> None:
    controller = Controller()
    intake = following(controller.snapshot())
    begin, *_, commit = controller.say(pods(1))
    with pytest.raises(TableFault, match=sentence):
        feed(intake, [begin, json.dumps(line), commit])
    assert content(intake).keys() == SMALL.keys()


def test_what_a_table_needs_cannot_be_removed_by_a_sum_that_is_right() -> None:
    for key in (("class", "native"), ("pool", "overseas")):
        controller = Controller()
        intake = following(controller.snapshot())
        with pytest.raises(TableFault, match="not in the table"):
            feed(intake, controller.say({key: None}))
        assert content(intake).keys() == SMALL.keys()
