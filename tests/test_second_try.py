"""`make test` runs a few failed tests once more, and still fails where they fail again."""

import sys
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.conftest import ROOT, Run
from tests.second_try import FEW

ONCE = """
from pathlib import Path

def test_fails_the_first_time():
    seen = Path(__file__).with_name("seen")
    first = not seen.exists()
    seen.touch()
    assert not first

def test_passes(): pass
"""
ALWAYS = "def test_fails(): assert False\n"


@pytest.fixture
def tried(run: Run, tmp_path: Path) -> CompletedProcess[str]:
    argv = (sys.executable, "-m", "tests.second_try", "-q", "--rootdir", tmp_path, tmp_path)
    return run(*argv, cwd=ROOT)


class TestFailsOnce:
    @pytest.fixture(autouse=True)
    def written(self, tmp_path: Path) -> None:
        (tmp_path / "test_it.py").write_text(ONCE)

    def test_it_is_named_and_does_not_fail_the_run(self, tried: CompletedProcess[str]) -> None:
        assert tried.returncode == 0
        assert "1 failed, 1 passed" in tried.stdout
        last = tried.stdout.strip().splitlines()[-1]
        assert last.startswith("second_try: these failed beside others and passed alone")
        assert last.endswith("test_it.py::test_fails_the_first_time")


class TestFailsAlways:
    @pytest.fixture(autouse=True)
    def written(self, tmp_path: Path) -> None:
        (tmp_path / "test_it.py").write_text(ALWAYS)

    def test_it_fails_the_run(self, tried: CompletedProcess[str]) -> None:
        assert tried.returncode == 1
        assert tried.stdout.count("1 failed") == 2


class TestFailsInManyPlaces:
    @pytest.fixture(autouse=True)
    def written(self, tmp_path: Path) -> None:
        for number in range(FEW + 1):
            (tmp_path / f"test_{number}.py").write_text(ALWAYS)

    def test_it_fails_at_once(self, tried: CompletedProcess[str]) -> None:
        assert tried.returncode == 1
        assert "once more" not in tried.stdout


class TestCannotBeRead:
    @pytest.fixture(autouse=True)
    def written(self, tmp_path: Path) -> None:
        (tmp_path / "test_it.py").write_text("import no_such_module\n")

    def test_it_fails_at_once(self, tried: CompletedProcess[str]) -> None:
        assert tried.returncode == 2
        assert "once more" not in tried.stdout
