"""`make run`: an environment of its own, of what runs and nothing that tests."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def dry(target: str, environment: dict[str, str] | None = None) -> str:
    argv = ["make", "--dry-run", "--always-make", "--no-print-directory", target]
    done = subprocess.run(
        argv, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True, env=environment or dict(os.environ)
    )
    return done.stdout


def test_it_takes_the_lock_of_what_runs_alone() -> None:
    would = dry("run")
    assert "-r requirements.lock" in would
    assert "requirements-dev.lock" not in would
    assert ".venv-run/bin/kun-dns64 serve" in would


def test_it_installs_what_a_bare_machine_lacks_before_anything_else() -> None:
    lines = [line for line in dry("run").splitlines() if line.strip()]
    assert lines[0] == "python3 lab/host_setup.py python"


def test_without_root_and_sudo_it_says_the_one_line_to_type(tmp_path: Path) -> None:
    """With commands that know of no package: this machine has them all."""
    for name, text in (("dpkg-query", "exit 1"), ("apt-get", "exit 1"), ("id", "echo 65534")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    program = (
        "import os, sys; os.geteuid = lambda: 65534; sys.argv = ['host_setup.py', 'python'];"
        "sys.path.insert(0, '.'); from lab import host_setup; sys.exit(host_setup.main(['python']))"
    )
    argv = ["/usr/bin/python3", "-c", program]
    done = subprocess.run(
        argv, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False, env={"PATH": str(tmp_path)}
    )
    assert done.returncode == 1
    assert "as root: apt-get install python3-venv" in done.stdout
