"""docs/kubernetes.md, "What a consumer does", without sockets. The lines are written by the controller's own code."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kun_base.table_fields import TableFault
from kun_base.table_intake import LOWER_S, LowerRevision, RemovalBounds, TableIntake
from kun_base.table_lines import read_line
from kun_base.table_records import FollowedClient
from kun_cluster.formats.record_text import Record, version_of
from kun_cluster.model.table import Client, Share, Table
from tests.base.table_world import (
    DEFAULT,
    GATEWAY,
    NATIVE,
    POOL,
    SMALL,
    WEB,
    Controller,
    changed,
    feed,
    following,
    gone,
    pods,
)


def content(intake: TableIntake) -> dict[tuple[str, str], object]:
    table = intake.table
    return {(kind, key): one for kind in table.counts() for key, one in table.of(kind).items()}


def test_a_snapshot_is_in_force_at_its_commit_and_not_before() -> None:
    lines = Controller().snapshot()
    intake = following(lines[:-1])
    assert content(intake) == {}
    assert intake.in_force.version == "0" * 32
    (change,) = feed(intake, lines[-1:])
    assert content(intake).keys() == SMALL.keys()
    assert change.clients["10.1.2.3"] == FollowedClient("native", "team-01", "böse")
    assert (intake.in_force.version, intake.in_force.cluster) == (Controller().view.version, "west")
    assert intake.table.classes["team-00/web"].addresses[0].last_port == 3071


def test_a_delta_changes_what_it_names_and_nothing_else() -> None:
    controller = Controller()
    intake = following(controller.snapshot())
    lines = controller.say(
        {("client", "10.1.2.3"): None, ("client", "2002:a01:2:1::10"): Client("native", "a", "b"), **pods(2)}
    )
    (change,) = feed(intake, lines)
    assert sorted(change.clients) == ["10.1.2.3", "2002:a01:2:1::10", "2002:a02::1", "2002:a02::2"]
    assert change.clients["10.1.2.3"] is None
    assert not change.classes
    assert intake.in_force.version == controller.view.version


KEYS = [f"2002:a03::{number:x}" for number in range(1, 30)]
STEPS = st.lists(st.dictionaries(st.sampled_from(KEYS), st.sampled_from(["default", "native", None]), min_size=1))


@given(STEPS, st.data())
@settings(max_examples=30, deadline=None)
def test_whatever_changes_a_follower_has_what_the_controller_has(
    steps: list[dict[str, str | None]], data: st.DataObject
) -> None:
    """Deltas, snapshots, and connections cut after any line."""
    controller = Controller()
    intake = following(controller.snapshot())
    intake.bounds = RemovalBounds(2, 20)
    for step in steps:
        controller.say(
            {("client", key): Client(name, "ns", key) if name else None for key, name in step.items()},
        )
        while True:
            is_delta = data.draw(st.booleans())
            have = intake.have if is_delta else ""
            lines = controller.view.since(have) if have else controller.snapshot()
            cut = data.draw(st.integers(0, len(lines)))
            intake.connected(have, "all")
            before = (content(intake), intake.received)
            feed(intake, lines[:cut])
            if cut == len(lines):
                break
            assert (content(intake), intake.received) == before
    assert intake.received.version == controller.view.version
    if intake.held.reason:
        assert intake.accept() is not None
    assert content(intake).keys() == controller.view.records.keys()
    assert intake.in_force.version == controller.view.version


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
    "a field of another type": (value("pool", default=1), "wants true or false"),
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
    "a heartbeat in a change": ([*LINES[:2], Controller().view.heartbeat(0), *LINES[2:]], "inside a change"),
    "a record outside": (LINES[1:], "outside"),
    "a commit outside": (LINES[-1:], "outside"),
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
    "one that is not there": ({"type": "remove", "clients": ["10.9.9.9"]}, "is not there"),
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


def test_a_share_can_move_to_another_class_in_one_change() -> None:
    controller = Controller()
    intake = following(controller.snapshot())
    feed(intake, controller.say({("class", "team-00/web"): replace(WEB, addresses=()), ("class", "x"): WEB}))
    assert intake.table.classes["x"].addresses
    with pytest.raises(TableFault, match="two shares"):
        feed(intake, controller.say({("class", "team-00/web"): WEB}))


def test_unknown_fields_are_ignored_and_count_in_the_version() -> None:
    line = json.loads(LINES[1])
    assert read_line(changed(LINES[1], hint=1.5).encode()) == read_line(LINES[1].encode())
    lines = [changed(LINES[0], later={}), *LINES[1:-1], changed(LINES[-1], took_s=0.25)]
    assert content(following(lines)).keys() == SMALL.keys()
    more = changed(LINES[1], value={**line["value"], "colour": "blue"})
    with pytest.raises(TableFault, match="sum up to"):
        following([LINES[0], more, *LINES[2:]])


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_no_bytes_crash_the_reader(data: bytes) -> None:
    try:
        read_line(data)
    except TableFault:
        return


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@given(st.sampled_from(LINES), st.data())
@settings(max_examples=150)
def test_no_value_of_a_field_crashes_the_reader(line: str, data: st.DataObject) -> None:
    found = json.loads(line)
    field = data.draw(st.sampled_from(sorted(found)))
    found[field] = data.draw(JSON)
    if isinstance(json.loads(line).get("value"), dict) and field == "value":
        inner = json.loads(line)["value"]
        inner[data.draw(st.sampled_from(sorted(inner)))] = data.draw(JSON)
        found["value"] = inner
    intake = TableIntake()
    intake.connected("", "all")
    try:
        intake.take(read_line(json.dumps(found).encode()), 0.0)
    except TableFault:
        return


@pytest.mark.parametrize(
    "data", [b"[" * 200_000, b'{"a":' * 100_000, b"1" * 5000, b'"\\ud800"', b"{" + b" " * (1 << 20)]
)
def test_what_is_deep_long_or_half_a_letter_is_refused(data: bytes) -> None:
    with pytest.raises(TableFault):
        read_line(data)


# The guard.


def held(intake: TableIntake) -> str:
    return intake.held.reason


def many(count: int = 1000) -> tuple[Controller, TableIntake]:
    controller = Controller({**SMALL, **pods(count)})  # type: ignore[dict-item]
    return controller, following(controller.snapshot())


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


# Going back.


def test_a_lower_revision_is_not_taken_for_a_minute() -> None:
    controller, intake = many(3)
    lines = Controller({**SMALL, ("class", "x"): NATIVE}).snapshot()
    lines[-1] = changed(lines[-1], revision=9)
    for now in (0.0, 30.0, LOWER_S - 1):
        intake.connected("", "all")
        with pytest.raises(LowerRevision):
            feed(intake, lines, now)
        assert content(intake).keys() == controller.view.records.keys()
    intake.connected("", "all")
    feed(intake, lines, LOWER_S)
    assert "x" in intake.table.classes
    assert intake.in_force.revision == 9


def test_a_higher_revision_in_between_starts_the_minute_anew() -> None:
    controller, intake = many(3)
    lower = [*LINES[:-1], changed(LINES[-1], revision=9)]
    for lines, now, is_taken in ((lower, 0.0, False), (controller.snapshot(), 50.0, True), (lower, 70.0, False)):
        intake.connected("", "all")
        if is_taken:
            feed(intake, lines, now)
        else:
            with pytest.raises(LowerRevision):
                feed(intake, lines, now)


def test_a_heartbeat_names_what_was_sent_and_moves_the_revision() -> None:
    controller = Controller()
    intake = following(controller.snapshot())
    controller.view.revision = 77
    feed(intake, [controller.view.heartbeat(1.0)])
    assert intake.in_force.revision == 77
    with pytest.raises(TableFault, match="heartbeat names"):
        feed(intake, [changed(controller.view.heartbeat(1.0), version="0" * 32)])


def test_the_version_is_the_controllers() -> None:
    found: dict[str, dict[str, Record]] = {kind: {} for kind in ("pool", "gateway", "class", "client")}
    for (kind, key), record in Controller().view.records.items():
        found[kind][key] = record
    table = Table(*found.values())  # type: ignore[arg-type]
    assert following(LINES).in_force.version == version_of(table)
