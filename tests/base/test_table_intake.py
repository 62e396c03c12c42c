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
from kun_cluster.model.table import Client, Table
from tests.base.table_world import (
    NATIVE,
    SMALL,
    WEB,
    Controller,
    changed,
    content,
    feed,
    following,
    many,
    pods,
)

LINES = Controller().snapshot()


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


def test_a_share_can_move_to_another_class_in_one_change() -> None:
    controller = Controller()
    intake = following(controller.snapshot())
    feed(intake, controller.say({("class", "team-00/web"): replace(WEB, mark=0, addresses=()), ("class", "x"): WEB}))
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
    table = Table(*found.values())
    assert following(LINES).in_force.version == version_of(table)
