"""Whose a session was when it began, whoever has the address now."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

import pytest

from kun_nat64.cli.who import show_who
from kun_nat64.cli.who_flags import Asked
from kun_nat64.drivers.session_database import SessionBook
from kun_nat64.formats.elastic_common_schema import EcsLines
from kun_nat64.formats.sessionrow import SCHEMA_VERSION
from kun_nat64.model.audit import Record
from kun_nat64.model.clients import NOBODY, Client, Clients
from kun_nat64.model.traffic import Session
from kun_nat64.policy.session_tracking import Ledger, Look, News
from kun_nat64.state.client_history import KEEP_S, ClientHistory
from tests.nat64.audit.flows import POD, POOL6, TIMEOUTS, flow, listed, session

NODE = Client("", "", "")
OLD, NEW = Client("team-00/web", "team-00", "web-0"), Client("team-01/build", "team-01", "build-7")


def clients(pod: Client | None, node: Client | None = NODE) -> Clients:
    networks: dict[int, dict[int, Client]] = {}
    if pod is not None:
        networks[128] = {int(POD): pod}
    if node is not None:
        networks[64] = {int(POD) >> 64 << 64: node}
    return Clients(networks)


def history(*steps: tuple[float, Clients]) -> ClientHistory:
    made = ClientHistory(steps[0][1])
    for at, table in steps[1:]:
        made.take_clients(table, now=at)
    return made


@pytest.mark.parametrize(
    ("steps", "at", "who"),
    [
        pytest.param([(0, clients(OLD))], 50, OLD, id="who has it now"),
        pytest.param([(0, clients(OLD)), (100, clients(NEW))], 99.9, OLD, id="the pod before, up to the change"),
        pytest.param([(0, clients(OLD)), (100, clients(NEW))], 100.1, NEW, id="the pod of today after it"),
        pytest.param([(0, clients(OLD)), (100, clients(None))], 99, OLD, id="a pod that is gone"),
        pytest.param([(0, clients(OLD)), (90, clients(None)), (100, clients(NEW))], 80, OLD, id="two changes back"),
        pytest.param([(0, clients(None)), (100, clients(NEW))], 99, NEW, id="a record that came late"),
        pytest.param([(0, clients(OLD)), (100, clients(None))], 101, NODE, id="nobody but the node after the end"),
        pytest.param([(0, clients(OLD, None)), (100, clients(None, None))], 101, NOBODY, id="nobody at all"),
        pytest.param([(0, clients(OLD)), (50, clients(NEW)), (60, clients(OLD))], 55, NEW, id="there and back"),
    ],
)
def test_an_address_is_whose_it_was(steps: list[tuple[float, Clients]], at: float, who: Client) -> None:
    assert history(*steps).who_was(POD, at) == who


def test_what_is_long_over_is_forgotten() -> None:
    kept = history((0, clients(OLD)), (100, clients(NEW)))
    kept.take_clients(kept.clients, now=100 + KEEP_S + 1)
    assert not kept._past


def taken(ledger: Ledger, at: float, kept: ClientHistory, *sessions: Session) -> News:
    (news,) = ledger.take(Look(listed(sessions).pages, at, at), TIMEOUTS, 1, kept.who_was)
    return news


def test_a_session_keeps_the_name_it_began_with() -> None:
    kept, ledger = history((0, clients(OLD))), Ledger()
    first = taken(ledger, 100.0, kept, session(left=7199))
    kept.take_clients(clients(NEW), now=110.0)
    late = session(port=40001, left=7195)
    second = taken(ledger, 120.0, kept, session(left=7180), late)
    last = taken(ledger, 400.0, kept)
    assert [one.client for one in first.started] == [OLD]
    assert [one.client for one in second.started] == [NEW]
    assert {one.flow.outside.port: one.client for one in last.ended} == {40000: OLD, 40001: NEW}


def test_a_session_that_began_before_the_address_changed_hands_is_the_first_pods() -> None:
    """Both between two looks: the last packet was 20 s ago, and so was not the new pod's."""
    kept = history((0, clients(OLD)), (90, clients(NEW)))
    news = taken(Ledger(), 100.0, kept, session(left=7180))
    assert [one.client for one in news.started] == [OLD]


LINES = EcsLines("gw1", IPv4Address("203.0.113.1"), POOL6, "0.1.0")


def test_lines_name_the_pod_in_the_words_of_ecs() -> None:
    said: dict[str, Any] = json.loads(LINES.started(Record(flow(session()), 0.0, 1000.0, client=OLD)))
    assert said["orchestrator"] == {
        "type": "kubernetes",
        "namespace": "team-00",
        "resource": {"name": "web-0", "type": "pod"},
    }
    assert said["kun_nat64"] == {"tenant": "team-00/web"}
    assert json.loads(LINES.ended(Record(flow(session()), 0.0, 1000.0, 1001.0, client=OLD)))["orchestrator"]


def test_a_client_without_a_name_gets_none() -> None:
    said = json.loads(LINES.started(Record(flow(session()), 0.0, 1000.0)))
    assert {"orchestrator", "kun_nat64"}.isdisjoint(said)


def book_with(folder: Path, *records: Record) -> None:
    book = SessionBook(folder, 10**9, 90 * 86400.0)
    book.start(1000.0)
    book.write(records, [], 1010.0)
    book.close()


def asked(folder: Path, capsys: pytest.CaptureFixture[str], *, as_json: bool) -> str:
    assert show_who(Asked("192.0.2.11:40000", "1970-01-01T00:16:45Z", "", None, folder, as_json)) == 0
    return capsys.readouterr().out


def test_who_names_pod_and_tenant_of_that_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book_with(tmp_path, Record(flow(session()), 990.0, 1000.0, None, 1, OLD))
    (holder,) = json.loads(asked(tmp_path, capsys, as_json=True))["holders"]
    assert (holder["namespace"], holder["pod"], holder["tenant"]) == ("team-00", "web-0", "team-00/web")
    assert "pod team-00/web-0, tenant team-00/web" in asked(tmp_path, capsys, as_json=False)


def test_two_pods_that_had_one_address_and_port_are_two_holders(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = Record(flow(session()), 990.0, 1000.0, None, 1, OLD)
    other = replace(one, client=NEW, flow=replace(one.flow, remote=replace(one.flow.remote, port=80)))
    book_with(tmp_path, one, other)
    holders = json.loads(asked(tmp_path, capsys, as_json=True))["holders"]
    assert {one["pod"] for one in holders} == {"web-0", "build-7"}


def test_a_restarted_agent_still_knows_the_names(tmp_path: Path) -> None:
    kept = Record(flow(session()), 990.0, 1000.0, None, 1, OLD)
    book_with(tmp_path, kept)
    again = SessionBook(tmp_path, 10**9, 90 * 86400.0)
    looked_at, living = again.start(2000.0), [*again.living()]
    again.close()
    assert living == [kept]
    gone = taken(Ledger(living, looked_at), 9000.0, history((0, clients(NEW))))
    assert [one.client for one in gone.ended] == [OLD]


OLD_SCHEMA = """CREATE TABLE session(outside INTEGER NOT NULL, after INTEGER NOT NULL, began INTEGER NOT NULL,
ended INTEGER, inside BLOB NOT NULL, inside_port INTEGER NOT NULL, remote INTEGER NOT NULL);
CREATE INDEX session_by_outside ON session(outside, after);
CREATE TABLE about(name TEXT PRIMARY KEY, value) WITHOUT ROWID;
INSERT INTO about VALUES ('made_at', 1000000); PRAGMA user_version = 1;"""


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """A part of the last version, without names."""
    outside = (int(IPv4Address("192.0.2.11")) << 16 | 40000) << 2
    row = (outside, 990_000, 1_000_000, None, IPv6Address(POD).packed, 50000, int(IPv4Address("198.51.100.80")) << 16)
    with closing(sqlite3.connect(tmp_path / "sessions-000001.sqlite3")) as db:
        db.executescript(OLD_SCHEMA)
        db.execute("INSERT INTO session VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        db.commit()
    return tmp_path


def test_a_part_of_the_version_before_answers_without_names(older: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (holder,) = json.loads(asked(older, capsys, as_json=True))["holders"]
    assert (holder["inside"], holder["pod"]) == (str(POD), None)


def test_a_part_of_the_version_before_is_written_on_and_loses_nothing(older: Path) -> None:
    book = SessionBook(older, 10**9, 90 * 86400.0)
    book.start(1005.0)
    assert (len([*book.living()]), book.current, book.set_aside) == (1, 1, [])
    book.write([Record(flow(session(40001)), 1001.0, 1002.0, None, 1, NEW)], [], 1010.0)
    book.close()
    again = SessionBook(older, 10**9, 90 * 86400.0)
    again.start(1020.0)
    living = [*again.living()]
    again.close()
    assert {one.client for one in living} == {NOBODY, NEW}
    with closing(sqlite3.connect(older / "sessions-000001.sqlite3")) as db:
        assert db.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION
