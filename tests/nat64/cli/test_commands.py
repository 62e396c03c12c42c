"""The command as users call it, in a process of its own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kun_nat64.drivers import preflight
from kun_nat64.drivers.runfiles import Lock
from kun_nat64.model.spec import AgentSpec
from tests.nat64.conftest import SHIPPED

COMMANDS = (
    "check-config", "config-schema", "doctor", "plan", "apply", "run", "status", "drain", "undrain", "teardown",
    "withdraw", "explain", "who", "fleet", "test", "size", "table", "support-bundle", "confirm", "rollback",
)  # fmt: skip


def kun_nat64(*words: str, path: str | None = None, columns: str = "200") -> subprocess.CompletedProcess[str]:
    code = "import sys; from kun_nat64.cli.main import main; main()"
    env = {**os.environ, "COLUMNS": columns} | ({} if path is None else {"PATH": path})
    return subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, env=env, timeout=60, check=False
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    done = kun_nat64(command, "--help")
    assert done.returncode == 0
    assert f"Example: kun-nat64 {command}" in done.stdout


def test_the_list_of_commands_says_each_in_one_whole_line() -> None:
    text = kun_nat64("--help", columns="80").stdout
    listed = text.split("Commands:")[1].split("Examples:")[0].strip().splitlines()
    assert {line.split()[0] for line in listed} == set(COMMANDS)
    assert [line for line in listed if line.endswith("...")] == []


def test_the_version_is_the_packages() -> None:
    assert kun_nat64("--version").stdout.startswith("kun-nat64 ")


def test_a_good_file_says_what_it_means() -> None:
    done = kun_nat64("check-config", str(SHIPPED))
    assert done.returncode == 0
    assert "2002:cb00:7101::/96" in done.stdout


def test_a_bad_file_says_everything_at_once_and_exits_with_2(tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text(SHIPPED.read_text().replace("mss = 1420", "mms = 1420").replace("fall = 3", "fall = 0"))
    done = kun_nat64("run", "--config", str(bad))
    assert done.returncode == 2
    assert "gateway.mms" in done.stderr
    assert "'mss'" in done.stderr
    assert "health.fall" in done.stderr


def test_a_file_that_is_missing_exits_with_2(tmp_path: Path) -> None:
    done = kun_nat64("plan", "--config", str(tmp_path / "none.toml"))
    assert (done.returncode, "cannot be read" in done.stderr) == (2, True)


@pytest.mark.parametrize("words", [("check-config",), ("plan", "--config")], ids=" ".join)
def test_a_file_that_may_not_be_read_is_said_in_our_own_words(
    words: tuple[str, ...], tmp_path: Path, tool: Callable[[str, str], str]
) -> None:
    secret = tmp_path / "secret.toml"
    secret.write_text("")
    secret.chmod(0)
    # Root reads every file by a capability, without which its owner's rights count.
    mere_owner = (tool("setpriv", "util-linux"), "--bounding-set=-dac_override,-dac_read_search")
    code = "from kun_nat64.cli.main import main; main()"
    argv = [*(mere_owner if os.geteuid() == 0 else ()), sys.executable, "-c", code, *words, str(secret)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "file: cannot be read: Permission denied" in done.stderr
    assert "Usage" not in done.stderr


def test_a_wrong_flag_exits_with_2() -> None:
    assert kun_nat64("plan", "--confg", "x").returncode == 2


def test_help_has_a_short_flag() -> None:
    assert kun_nat64("drain", "-h").stdout == kun_nat64("drain", "--help").stdout


@pytest.mark.parametrize("command", ["plan", "apply", "teardown", "run"])
def test_missing_tools_are_named_with_the_package_that_brings_them(command: str, tmp_path: Path) -> None:
    if shutil.which("jool", path=os.pathsep.join((os.environ["PATH"], *preflight.SBIN))):
        pytest.skip("this machine has jool installed")
    done = kun_nat64(command, "--config", str(SHIPPED), "--run-dir", str(tmp_path), path=os.environ["PATH"])
    assert done.returncode == 1
    assert "apt install jool-tools" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("sections", "unused"),
    [
        ({}, {"vtysh"}),
        ({"bgp": {"speaker": "bird", "api": ""}}, {"vtysh"}),
        ({"bgp": {"speaker": "frr", "api": ""}}, set()),
    ],
)
def test_tools_that_the_file_has_no_use_for_are_not_missed(
    spec_with: Callable[..., AgentSpec], sections: dict[str, Any], unused: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda tool, path: None)
    missed = {one.what.split()[2] for one in preflight.missing_tools(spec_with(**sections))}
    assert {"jool", "iptables-save", "ip6tables-restore", "vtysh", "nft", "tc"} - missed == unused


@pytest.mark.parametrize("words", [("status",), ("drain", "--wait"), ("undrain",), ("status", "--json")])
def test_without_an_agent_the_command_says_how_to_start_one(words: tuple[str, ...], tmp_path: Path) -> None:
    done = kun_nat64(*words, "--run-dir", str(tmp_path))
    assert done.returncode == 1
    assert "systemctl start kun-nat64" in done.stderr


def test_a_second_agent_does_not_start(tmp_path: Path) -> None:
    lock = Lock(tmp_path)
    lock.take()
    done = kun_nat64("run", "--config", str(SHIPPED), "--run-dir", str(tmp_path))
    lock.release()
    assert done.returncode == 1
    assert f"pid {os.getpid()}" in done.stderr


def test_a_run_directory_that_cannot_be_made_is_no_reason_not_to_start(tmp_path: Path) -> None:
    if shutil.which("jool", path=os.pathsep.join((os.environ["PATH"], *preflight.SBIN))):
        pytest.skip("this machine has jool installed: the agent would set up a gateway")
    (tmp_path / "file").write_text("in the way")
    done = kun_nat64("run", "--config", str(SHIPPED), "--run-dir", str(tmp_path / "file" / "run"))
    assert "--run-dir" in done.stderr
    assert "apt install jool-tools" in done.stderr, "it went on to what really stops it"


def test_doctor_works_without_anything() -> None:
    done = kun_nat64("doctor", "--json")
    findings = json.loads(done.stdout)
    assert {"rights", "Jool module", "command jool"} <= {finding["check"] for finding in findings}
    assert done.returncode == (1 if any(finding["level"] == "bad" for finding in findings) else 0)


def test_doctor_names_a_remedy_for_everything_bad() -> None:
    findings = json.loads(kun_nat64("doctor", "--config", str(SHIPPED), "--json").stdout)
    assert [finding for finding in findings if finding["level"] == "bad" and not finding["remedy"]] == []


@pytest.mark.parametrize(
    ("address", "code", "words"),
    [
        ("2002:cb00:7101::c633:6450", 0, "embeds 198.51.100.80"),
        ("2002:cb00:7101::7f00:1", 1, "127.0.0.0/8"),
        ("2002:cb00:7101::cb00:7101", 1, "203.0.113.1/32"),
        ("2001:db8::1", 1, "outside 2002:cb00:7101::/96"),
    ],
)
def test_explain_says_what_an_address_embeds_and_whether_it_passes(address: str, code: int, words: str) -> None:
    done = kun_nat64("explain", address, "--config", str(SHIPPED))
    assert done.returncode == code
    assert words in done.stdout


def test_explain_of_what_is_no_address_says_so_of_each_and_exits_with_2() -> None:
    done = kun_nat64("explain", "localhost", "--client", "10.0.0.1", "--config", str(SHIPPED))
    assert done.returncode == 2
    assert "IPV6 = 'localhost'" in done.stderr
    assert "--client = '10.0.0.1'" in done.stderr


def test_explain_as_json_is_whole() -> None:
    words = ("2002:cb00:7101::c633:6450", "--client", "2002:c0a8:2:1::10", "--json", "--config", str(SHIPPED))
    done = kun_nat64("explain", *words)
    said = json.loads(done.stdout)
    assert (done.returncode, said["ipv4"], said["reachable"]) == (1, "198.51.100.80", False)
    assert "gateway.clients" in said["client"]["dropped"]
    assert said["serves"] == ["2002:cb00:7101::/96"]


def test_the_schema_is_json() -> None:
    assert json.loads(kun_nat64("config-schema").stdout)["properties"]["gateway"]
