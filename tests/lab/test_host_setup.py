"""What host_setup.py installs on the machine that runs the tests, and what it leaves of it for the next boot."""

import subprocess
import sys
from pathlib import Path

import pytest

from lab import host_setup

SETUP = Path(host_setup.__file__)


def test_no_daemon_that_was_installed_for_the_tests_starts_at_the_next_boot(tool) -> None:
    tool("systemctl", "systemd")
    if not host_setup.NOTED.exists():
        pytest.skip("this machine had everything already: nothing was installed")
    noted = [name for name in host_setup.NOTED.read_text().split() if host_setup.is_installed(name)]
    assert host_setup.enabled_units(noted) == []


def test_units_of_a_package_are_found(tool) -> None:
    tool("dpkg-query", "dpkg")
    if not host_setup.is_installed("systemd"):
        pytest.skip("needs systemd (Debian package systemd)")
    assert {"systemd-networkd.service", "systemd-networkd.socket", "fstrim.timer"} - set(
        host_setup.units_of(["systemd", "util-linux"])
    ) == set()


def test_an_enabled_daemon_is_disabled_and_another_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With commands that note what they are asked: what this machine enables is not the test's to change."""
    programs, asked = tmp_path / "bin", tmp_path / "asked"
    programs.mkdir()
    listing = "/lib/systemd/system/nsd.service\n/usr/lib/systemd/system/other.timer\n/lib/systemd/system/x@.service\n"
    answers = f'echo "$@" >>{asked}; case $2 in nsd.service) echo enabled ;; *) echo disabled ;; esac'
    for name, text in (("dpkg-query", f"printf '{listing}'"), ("systemctl", answers)):
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    host_setup.disable_daemons(["nsd"], [])
    assert asked.read_text().splitlines() == [
        "is-enabled nsd.service",
        "is-enabled other.timer",
        "--quiet disable nsd.service",
    ]


def test_it_says_what_is_installed_and_where_that_stays() -> None:
    assert "make clean-all" in host_setup.WHERE_IT_STAYS
    assert "~/.cache/kun-*" in host_setup.WHERE_IT_STAYS


@pytest.mark.parametrize("purpose", sorted(host_setup.PURPOSES))
def test_a_look_installs_nothing(purpose: str) -> None:
    argv = [sys.executable, str(SETUP), purpose, "--check"]
    looked = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert looked.returncode in (0, 1)
    assert looked.stdout.startswith("host_setup: missing: ") or looked.stdout == ""
