"""What the agent stores for the next one. Each thing that cannot be stored has a warning of its own."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from kun_base.journal import Journal
from kun_nat64.agent.kept_files import KeptFiles
from kun_nat64.agent.options import Options
from kun_nat64.model.drain import Drain, Phase
from kun_nat64.model.spec import AgentSpec
from kun_nat64.model.warnings import WarningName
from kun_nat64.policy.holddown import FallRecord
from kun_nat64.state.agent_state import State


@pytest.fixture
def state(spec_with: Callable[..., AgentSpec]) -> State:
    return State(spec_with(), Journal("test", stream=io.StringIO()), clock=lambda: 0.0, wall=lambda: 0.0)


def test_a_stored_drain_ends_no_other_warning(state: State, tmp_path: Path) -> None:
    run_dir, lasting = tmp_path / "run", tmp_path / "lasting"
    lasting.mkdir()
    kept = KeptFiles(state, Options(Path("none.toml"), run_dir, lasting))
    state.warnings.warn(WarningName.RUN_DIR, "cannot be written")
    (lasting / "falls.new").mkdir()  # in the place of the file that would be written
    kept.keep_falls(FallRecord(1, 0.0, 1))
    assert kept.keep_drain(Drain(Phase.DRAINING)) is None
    assert set(state.warnings) == {WarningName.RUN_DIR, WarningName.FALLS}


def test_each_is_warned_about_until_it_is_stored(state: State, tmp_path: Path) -> None:
    lasting = tmp_path / "lasting"
    kept = KeptFiles(state, Options(Path("none.toml"), tmp_path, lasting))
    lasting.write_text("a file in the place of the folder")
    assert kept.keep_drain(Drain(Phase.DRAINING)) is not None
    kept.keep_falls(FallRecord(1, 0.0, 1))
    assert set(state.warnings) == {WarningName.DRAIN, WarningName.FALLS}
    lasting.unlink()
    lasting.mkdir()
    kept.keep_falls(FallRecord(1, 0.0, 1))
    assert set(state.warnings) == {WarningName.DRAIN}
    kept.keep_drain(Drain(Phase.DRAINING))
    assert not state.warnings
