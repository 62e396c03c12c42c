"""systemd/kun-nat64-unit: what it does around the agent, seen through commands that write down their arguments."""

import os
import subprocess
from pathlib import Path

import pytest

from kun_nat64.config.file import GatewaySection

SCRIPT = Path(__file__).parent.parent.parent / "gateway-config" / "systemd" / "kun-nat64-unit"
CONF = """
[gateway]
name = "gw1"            # a comment
vip = "203.0.113.1"
[bgp]
api = "unix:///run/gobgpd/api.sock"
prefixes = ["2002:cb00:7101::/48", "192.0.2.0/24"]
"""


LAPSES = "systemctl --no-block start kun-nat64-lapse.timer"


class Host:
    """A copy of the script whose folders and commands are in `root`."""

    def __init__(self, root: Path) -> None:
        self.root, self.state, self.calls = root, root / "state", root / "calls"
        (root / "bin").mkdir()
        (root / "netns").mkdir()
        self.state.mkdir()
        self.calls.touch()
        self.conf = root / "kun-nat64.toml"
        self.conf.write_text(CONF)
        for name in ("systemctl", "kun-nat64", "modprobe", "ip", "mountpoint", "readlink"):
            self.command(name, "")
        text = SCRIPT.read_text()
        for before, after in (
            ("/etc/kun/kun-nat64.toml", self.conf),
            ("/var/lib/kun-nat64", self.state),
            ("/run/netns", root / "netns"),
            ("/run/xtables.lock", root / "xtables.lock"),
            ("/run/kun-nat64/", f"{root}/"),
            ("/usr/local/bin", root / "bin"),
        ):
            assert before in text
            text = text.replace(before, str(after))
        (root / "unit").write_text(text)

    def command(self, name: str, body: str) -> None:
        file = self.root / "bin" / name
        file.write_text(f'#!/bin/sh\necho "{name} $*" >>"{self.calls}"\n{body}\n')
        file.chmod(0o755)

    def does(self, verb: str, **environment: str) -> list[str]:
        path = f"{self.root / 'bin'}:{os.environ['PATH']}"
        argv = ["sh", str(self.root / "unit"), verb]
        subprocess.run(argv, check=True, timeout=10, env={"PATH": path} | environment, capture_output=True)
        calls = self.calls.read_text().splitlines()
        return [
            call for call in calls if not call.startswith(("systemctl list-jobs", "systemctl is-active", "readlink"))
        ]

    @property
    def withdrawal(self) -> str:
        return f"kun-nat64 withdraw --config {self.conf}"


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_a_stop_drains_and_the_next_start_ends_it(host: Host) -> None:
    assert host.does("stop") == ["kun-nat64 drain --wait --force"]
    (host.state / "drain.json").write_text('{"phase": "drained"}')
    host.does("prepare")
    assert list(host.state.iterdir()) == []


def test_a_drain_of_the_operator_outlives_stop_and_start(host: Host) -> None:
    drain = host.state / "drain.json"
    drain.write_text('{"phase": "draining", "since": 1.0}')
    host.does("stop")
    host.does("prepare")
    assert drain.exists()


def test_a_restart_does_not_drain(host: Host) -> None:
    host.command("systemctl", 'echo "123 kun-nat64.service restart running"')
    assert host.does("stop") == []


def test_a_hung_agents_paths_are_withdrawn(host: Host) -> None:
    assert host.does("stopped", SERVICE_RESULT="watchdog") == [host.withdrawal, LAPSES]


@pytest.mark.parametrize("result", ["success", "signal", "core-dump", "exit-code"])
def test_after_any_other_end_the_path_stays_for_a_while(host: Host, result: str) -> None:
    assert host.does("stopped", SERVICE_RESULT=result) == [LAPSES]


def test_a_path_lapses_where_no_agent_came(host: Host) -> None:
    assert host.does("lapse") == []
    host.command("systemctl", "exit 3")
    assert host.does("lapse") == [host.withdrawal]


def test_an_agent_is_started_without_its_modules_too_for_it_says_what_is_missing(host: Host) -> None:
    host.command("modprobe", "exit 1")
    assert host.does("prepare")[-1] == "ip netns add kun-probe-gw1"


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("", "kun-probe-gw1"),
        ('probe_netns = ""\n', "kun-probe-gw1"),
        ('probe_netns = "mine"\n', "mine"),
        ("probe_netns\t=\t'mine'  # in other quotes\n", "mine"),
    ],
    ids=["no key", "empty key", "own name", "literal string"],
)
def test_modules_and_the_probes_namespace_are_there_before_the_agent(host: Host, line: str, name: str) -> None:
    host.conf.write_text(CONF + line)
    assert host.does("prepare") == ["modprobe -a sit jool", f"ip netns add {name}"]


def test_a_gateway_without_a_name_has_the_programs_own_default(host: Host) -> None:
    host.conf.write_text(CONF.replace('name = "gw1"', ""))
    assert host.does("prepare")[-1] == f"ip netns add kun-probe-{GatewaySection.model_fields['name'].default}"


def test_a_namespace_that_is_there_is_kept(host: Host) -> None:
    (host.root / "netns" / "kun-probe-gw1").touch()
    assert "ip netns add kun-probe-gw1" not in host.does("prepare")


def test_a_name_without_a_namespace_is_made_anew(host: Host) -> None:
    (host.root / "netns" / "kun-probe-gw1").touch()
    host.command("mountpoint", "exit 1")
    assert "ip netns add kun-probe-gw1" in host.does("prepare")


def test_the_agents_request_for_a_namespace_is_taken_and_its_content_is_not(host: Host) -> None:
    request = host.root / "netns-wanted"
    request.write_text("../../etc; ip netns add other\n")
    assert host.does("namespace") == ["ip netns add kun-probe-gw1"]
    assert not request.exists()


def test_the_lock_of_iptables_is_there_for_an_agent_that_makes_no_file_in_run(host: Host) -> None:
    host.does("prepare")
    assert (host.root / "xtables.lock").exists()
