"""Session-wide parts of the conformance run: two scripted upstreams and the servers under test."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.ports import free_port

from .case import Case
from .configs import CONFIGS, SECRET, filled
from .metronome import Metronome
from .run import SlowLane, Stage
from .server import ServerPool
from .upstream import ScriptedUpstream

DOMAINS = """# egress by the third gateway
listed.example

  upper.LISTED2.example  # blanks, capitals and a comment
dotted.example.
"""


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Stage]:
    """Upstreams that run, and servers that start when the first row needs them; no log may speak of an exception."""
    directory = tmp_path_factory.mktemp("conformance")
    (directory / "secret").write_text(SECRET + "\n")
    (directory / "domains").write_text(DOMAINS)
    one, two = ScriptedUpstream().start(), ScriptedUpstream().start()
    places = {
        "ONE": one.address,
        "TWO": two.address,
        "DEAD": f"127.0.0.1:{free_port('127.0.0.1')}",
        "SECRET_FILE": str(directory / "secret"),
        "DOMAIN_FILE": str(directory / "domains"),
    }
    servers = ServerPool({name: filled(config, places) for name, config in CONFIGS.items()}, directory)
    metronome = Metronome()
    ahead = ThreadPoolExecutor(1, thread_name_prefix="start-ahead")
    for config in dict.fromkeys(case.config for case, _ in _selected_rows(request.session) if not case.slow):
        ahead.submit(servers.get, config)
    yield Stage(servers, one, two, metronome)
    ahead.shutdown(cancel_futures=True)
    metronome.stop()
    bad = servers.stop()
    one.stop()
    two.stop()
    assert not bad, "\n".join(bad)


@pytest.fixture(scope="session")
def slow_lane(stage: Stage, request: pytest.FixtureRequest) -> Iterator[SlowLane]:
    """All selected rows that wait, started together."""
    rows = [(case, transport) for case, transport in _selected_rows(request.session) if case.slow]
    lane = SlowLane(stage, rows)
    yield lane
    lane.close()


def _selected_rows(session: pytest.Session) -> list[tuple[Case, str]]:
    rows = []
    for item in session.items:
        params = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        case = params.get("case")
        if isinstance(case, Case):
            rows.append((case, str(params["transport"])))
    return rows
