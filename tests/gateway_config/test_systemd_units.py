"""Units, as systemd itself reads and rates them."""

import re
from pathlib import Path

import pytest

UNITS = Path(__file__).parent.parent.parent / "gateway-config" / "systemd"
SERVICES = sorted(UNITS.glob("*.service"))

# Exposure by `systemd-analyze security`, times ten. What is left of kun-nat64 is the price of links, rules and Jool.
MOST_EXPOSED = {"kun-dns64.service": 25, "gobgpd.service": 25, "kun-nat64.service": 32}


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A copy whose commands exist, as they do where the units are installed."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for unit in sorted(UNITS.glob("*.s*")):
        text = unit.read_text()
        for path in set(re.findall(r"^Exec\w+=[-+!@:]*(/\S+)", text, re.MULTILINE)):
            stub = commands / Path(path).name
            stub.write_text("#!/bin/sh\n")
            stub.chmod(0o755)
            text = text.replace(path, str(stub))
        (tmp_path / unit.name).write_text(text)
    return tmp_path


@pytest.mark.parametrize("name", sorted(unit.name for unit in UNITS.glob("*.s*")))
def test_systemd_understands_every_line(name: str, installed: Path, tool, run) -> None:
    verified = run(tool("systemd-analyze", "systemd"), "verify", "--man=no", installed / name)
    ours = [line for line in verified.stderr.splitlines() if name in line or str(installed) in line]
    assert ours == []


def test_a_misspelt_key_would_be_seen(installed: Path, tool, run) -> None:
    unit = installed / "kun-dns64.service"
    unit.write_text(unit.read_text().replace("WatchdogSec=", "WatchdogSecs="))
    assert "WatchdogSecs" in run(tool("systemd-analyze", "systemd"), "verify", "--man=no", unit).stderr


@pytest.mark.parametrize(("name", "tenths"), MOST_EXPOSED.items(), ids=MOST_EXPOSED.keys())
def test_exposure_stays_low(name: str, tenths: int, tool, run) -> None:
    options = ("--offline=true", f"--threshold={tenths}", "--no-pager")
    rated = run(tool("systemd-analyze", "systemd"), "security", *options, UNITS / name)
    assert rated.returncode == 0, rated.stdout.splitlines()[-1]


@pytest.mark.parametrize("name", ["kun-dns64.service", "kun-nat64.service"])
def test_programs_are_watched_and_notify(name: str) -> None:
    text = (UNITS / name).read_text()
    assert "Type=notify" in text
    assert re.search(r"^WatchdogSec=\d+", text, re.MULTILINE)


def test_a_bad_file_stops_neither_a_reload_nor_the_running_program() -> None:
    for name in ("kun-dns64.service", "kun-nat64.service", "gobgpd.service"):
        reloads = re.findall(r"^ExecReload=(.*)", (UNITS / name).read_text(), re.MULTILINE)
        assert "check-config" in reloads[0] or " -d " in reloads[0], f"{name}: the file is checked before the signal"
        assert reloads[1] == "/bin/kill -HUP $MAINPID"


def test_the_speakers_api_is_only_on_this_machine() -> None:
    start = re.search(r"^ExecStart=.*--api-hosts (\S+)", (UNITS / "gobgpd.service").read_text(), re.MULTILINE)
    assert start is not None
    assert all(host.startswith(("127.0.0.1:", "unix:")) for host in start[1].split(","))
