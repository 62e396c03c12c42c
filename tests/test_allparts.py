"""`make test` notices a test that was skipped for want of a part."""

import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT, Run

SKIPS = """
import pytest

def test_runs(): pass
def test_lacks_a_program(): pytest.skip("needs frobnicate (Debian package frob)")
@pytest.mark.skipif(True, reason="needs a reader")
def test_lacks_a_reader(): pass
def test_lacks_a_right(): pytest.skip("this machine gives no such right")
"""
LACKS = "import pytest\npytest.importorskip('no_such_module', reason='no_such_module is not compiled')\n"


def outcome(run: Run, folder: Path, *options: str) -> str:
    argv = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, "--rootdir", folder, folder)
    return run(*argv, cwd=ROOT).stdout.strip().splitlines()[-1]


def test_a_skip_is_a_failure_where_every_part_is_installed(run: Run, tmp_path: Path) -> None:
    (tmp_path / "test_skips.py").write_text(SKIPS)
    assert "1 passed, 3 skipped" in outcome(run, tmp_path)
    assert "1 failed, 1 passed, 1 skipped, 1 error" in outcome(run, tmp_path, "-p", "tests.allparts")


def test_so_is_a_module_that_is_left_out(run: Run, tmp_path: Path) -> None:
    (tmp_path / "test_lacks.py").write_text(LACKS)
    assert "1 skipped" in outcome(run, tmp_path)
    assert "1 error" in outcome(run, tmp_path, "-p", "tests.allparts")


def test_make_test_loads_it_in_every_process_and_leaves_no_folder_out() -> None:
    argv = ["make", "--dry-run", "test", "VENV=.venv"]
    plan = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=True, cwd=ROOT).stdout
    processes = [line for line in plan.splitlines() if "-m tests.second_try" in line]
    assert len(processes) == 6
    assert all("-p tests.allparts" in line for line in processes)
    named = {word.removeprefix("--ignore=") for line in processes for word in line.split() if "tests" in word}
    folders = {"tests", "tests/base", "tests/dns64", "tests/dns64/conformance", "tests/nat64", "tests/lab"}
    folders |= {"tests/lab/test_native.py"}
    assert {word for word in named if "/" in word or word == "tests"} == folders
