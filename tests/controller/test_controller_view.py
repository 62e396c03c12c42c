"""What a consumer is sent: from any version it may have to the newest."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kun_cluster.formats.record_text import MODULUS, record_hash, version_text
from kun_cluster.model.table import Client
from kun_cluster.state import table_view as view_module
from kun_cluster.state.live_table import Touched
from kun_cluster.state.table_view import TableView, everything, exceptions

Records = dict[str, Client]
keys = st.sampled_from(("2002::1", "2002::2", "2002::3"))
clients = st.one_of(
    st.none(), st.builds(Client, st.sampled_from(("default", "native")), st.just("team-00"), st.just("a"))
)
steps = st.lists(st.dictionaries(keys, clients, min_size=1), min_size=1, max_size=8)


def version_of(records: Records) -> str:
    return version_text(sum(record_hash("client", key, one) for key, one in records.items()) % MODULUS)


def take(journal: TableView, records: Records, step: dict[str, Client | None], now: float) -> None:
    changes = [Touched("client", key, records.get(key), new) for key, new in step.items()]
    journal.take(changes, int(now), now)
    for key, new in step.items():
        if new is None:
            records.pop(key, None)
        else:
            records[key] = new


def follow(records: Records, lines: list[str]) -> tuple[Records, dict[str, Any]]:
    """A consumer that holds `records` reads lines; returns what it holds then, and the commit."""
    begin, *middle, commit = map(json.loads, lines)
    found = {} if begin["change"] == "snapshot" else dict(records)
    for line in middle:
        for network, name in line.get("entries", ()):
            found[network] = Client(line["class"], line["namespace"], name)
        for network in line.get("clients", ()):
            del found[network]
    return found, commit


@settings(max_examples=150)
@given(steps, st.integers(0, 8))
def test_from_every_version_there_is_a_way_to_the_newest(found: list[dict[str, Client | None]], at: int) -> None:
    journal, records, held, have = TableView("all", everything), {}, {}, "0" * 32
    for number, step in enumerate(found):
        take(journal, records, step, float(number + 1))
        if number == at:
            held, have = dict(records), journal.version
    now_held, commit = follow(held, journal.since(have))
    assert now_held == records
    assert commit["version"] == journal.version == version_of(records)
    assert commit["counts"]["client"] == len(records)


@settings(max_examples=100)
@given(steps)
def test_the_exceptions_view_is_the_whole_without_default_pods(found: list[dict[str, Client | None]]) -> None:
    journal, records = TableView("exceptions", exceptions), {}
    for number, step in enumerate(found):
        take(journal, records, step, float(number + 1))
    shown = {key: one for key, one in records.items() if one.class_name != "default"}
    assert follow({}, journal.snapshot())[0] == shown
    assert journal.version == version_of(shown)


def test_a_snapshot_tells_the_newest_revision_though_nothing_changed() -> None:
    """A consumer that a heartbeat told of revision 20 would not take a snapshot of revision 10."""
    journal = TableView("all", everything)
    take(journal, {}, {"2002::1": Client("default", "team-00", "a")}, 10)
    assert json.loads(journal.snapshot()[-1])["revision"] == 10
    journal.take([], 20, 20.0)
    assert json.loads(journal.heartbeat(20.0))["revision"] == 20
    assert json.loads(journal.snapshot()[-1])["revision"] == 20


def test_a_version_too_old_for_the_memory_gets_a_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view_module, "MAX_CHANGES", 3)
    journal, records = TableView("all", everything), {}
    versions = []
    for number in range(1, 7):
        take(journal, records, {f"2002::{number}": Client("default", "team-00", "a")}, float(number))
        versions.append(journal.version)
    assert [json.loads(journal.since(version)[0])["change"] for version in versions] == ["snapshot"] * 2 + ["delta"] * 4


def test_a_class_is_programmed_by_the_version_it_changed_with_or_a_later_one() -> None:
    from kun_cluster.model.table import ClassRecord

    journal = TableView("all", everything)
    before = journal.version
    journal.take([Touched("class", "a", None, ClassRecord("translate", True))], 1, 1.0)
    changed = journal.version
    journal.take([Touched("client", "2002::1", None, Client("a", "team-00", "x"))], 2, 2.0)
    assert journal.class_version(["a", "b"]) == changed
    assert [journal.is_as_new(version, changed) for version in (before, changed, journal.version, "")] == [
        False, True, True, False,
    ]  # fmt: skip
