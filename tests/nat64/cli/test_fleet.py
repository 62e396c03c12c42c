"""fleet and test: what a gateway's status becomes as a row and as steps, also of another version's."""

import copy
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic, time
from typing import Any

import pytest

from kun_base.journal import Journal
from kun_base.path_test import StepState
from kun_nat64.cli.fleet import show_fleet
from kun_nat64.cli.path_test import steps_of
from kun_nat64.model.spec import AgentSpec
from kun_nat64.state.agent_state import State
from kun_nat64.views.fleet import cells, row_of, summary
from kun_nat64.views.status import brief, snapshot
from tests.nat64.conftest import SHIPPED

Output = pytest.CaptureFixture[str]


@pytest.fixture
def state(spec: AgentSpec) -> State:
    return State(spec, Journal("test", level="error"), clock=monotonic, wall=time)


def test_a_real_status_and_a_brief_one_become_rows(state: State) -> None:
    whole = row_of(snapshot(state, now=monotonic(), wall=time()), "")
    short = row_of(brief(state, now=monotonic()), "http://gw2:9465")
    assert (whole.name, whole.standing, whole.announced, whole.drift) == (short.name, short.standing, False, 0)
    assert short.drift is None
    assert len(cells(whole)) == len(cells(short)) == 11
    assert summary([whole, short]).startswith("0 of 2 announced")


@pytest.mark.parametrize("nonsense", [{}, [], {"announcement": 1, "name": "x"}, None, "x"], ids=repr)
def test_what_is_no_status_is_a_value_error(nonsense: Any) -> None:
    with pytest.raises(ValueError, match="not the status"):
        row_of(nonsense, "")


def test_differing_versions_are_named(state: State) -> None:
    one = snapshot(state, now=monotonic(), wall=time())
    other = copy.deepcopy(one) | {"version": "0.0.1"}
    assert "versions differ: 0.0.1" in summary([row_of(one, ""), row_of(other, "")])


@pytest.fixture
def member(state: State) -> Iterator[str]:
    body = json.dumps(snapshot(state, now=monotonic(), wall=time())).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def shipped_with_members(tmp_path: Path) -> Path:
    file = tmp_path / "gw.toml"
    file.write_text(SHIPPED.read_text().replace('["http://10.2.2.2:9465", "http://10.2.3.2:9465"]', "MEMBERS"))
    return file


def test_without_an_agent_here_the_files_members_are_asked(
    member: str, tmp_path: Path, capsys: Output, shipped_with_members: Path
) -> None:
    text = shipped_with_members.read_text().replace("MEMBERS", json.dumps([member, "http://127.0.0.1:1"]))
    shipped_with_members.write_text(text)
    assert show_fleet(tmp_path, shipped_with_members, watch=False, as_json=True) == 1
    rows = json.loads(capsys.readouterr().out)
    assert sorted(bool(row["problem"]) for row in rows) == [False, True]
    assert show_fleet(tmp_path, shipped_with_members, watch=False, as_json=False) == 1
    assert "SILENT" in capsys.readouterr().out
    assert show_fleet(tmp_path, None, watch=False, as_json=False) == 1
    assert "no agent runs" in capsys.readouterr().err


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_a_table_of_any_width_names_each_gateway(
    member: str,
    tmp_path: Path,
    capsys: Output,
    shipped_with_members: Path,
    monkeypatch: pytest.MonkeyPatch,
    columns: int,
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    shipped_with_members.write_text(shipped_with_members.read_text().replace("MEMBERS", json.dumps([member])))
    show_fleet(tmp_path, shipped_with_members, watch=False, as_json=False)
    head, row, *_ = capsys.readouterr().out.splitlines()
    assert head.split()[0] == "GATEWAY"
    assert row.split()[0] == "gw1"


def test_a_fresh_agent_fails_the_steps_it_has_no_proof_for(state: State) -> None:
    states = {step.name: step.state for step in steps_of(snapshot(state, now=monotonic(), wall=time()))}
    assert states["there and back"] is StepState.FAILED
    assert states["announced"] is StepState.FAILED
    assert states["pod to node"] is StepState.UNSEEN
