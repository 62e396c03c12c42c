"""systemd/kun-nat64-unit: what it does around the agent, seen through commands that write down their arguments."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent.parent / "gateway-config" / "systemd" / "kun-nat64-unit"
CONF = """
[gateway]
name = "gw1"            # a comment
vip = "203.0.113.1"
[bgp]
api = "127.0.0.1:50051"
prefixes = ["2002:cb00:7101::/48", "192.0.2.0/24"]
"""
WITHDRAWALS = [
    "gobgp -u 127.0.0.1 -p 50051 global rib del 203.0.113.1/32 -a ipv4",
    "gobgp -u 127.0.0.1 -p 50051 global rib del 2002:cb00:7101::/48 -a ipv6",
    "gobgp -u 127.0.0.1 -p 50051 global rib del 192.0.2.0/24 -a ipv4",
]


class Host:
    """A copy of the script whose folders and commands are in `root`."""

    def __init__(self, root: Path) -> None:
        self.root, self.run_dir, self.calls = root, root / "run", root / "calls"
        (root / "bin").mkdir()
        (root / "netns").mkdir()
        self.run_dir.mkdir()
        self.calls.touch()
        self.conf = root / "kun-nat64.toml"
        self.conf.write_text(CONF)
        for name in ("systemctl", "gobgp", "kun-nat64", "modprobe", "ip", "mountpoint", "readlink"):
            self.command(name, "")
        text = SCRIPT.read_text()
        for before, after in (
            ("/etc/kun/kun-nat64.toml", self.conf),
            ("/run/kun-nat64", self.run_dir),
            ("/run/netns", root / "netns"),
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
        return [call for call in calls if not call.startswith(("systemctl", "readlink"))]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_a_stop_drains_and_the_next_start_ends_it(host: Host) -> None:
    assert host.does("stop") == ["kun-nat64 drain --wait"]
    (host.run_dir / "drain.json").write_text('{"phase": "drained"}')
    host.does("prepare")
    assert list(host.run_dir.iterdir()) == []


def test_a_drain_of_the_operator_outlives_stop_and_start(host: Host) -> None:
    drain = host.run_dir / "drain.json"
    drain.write_text('{"phase": "draining", "since": 1.0}')
    host.does("stop")
    host.does("prepare")
    assert drain.exists()


def test_a_restart_does_not_drain(host: Host) -> None:
    host.command("systemctl", 'echo "123 kun-nat64.service restart running"')
    assert host.does("stop") == []


def test_a_hung_agents_paths_are_withdrawn(host: Host) -> None:
    assert host.does("stopped", SERVICE_RESULT="watchdog") == WITHDRAWALS


@pytest.mark.parametrize("result", ["success", "signal", "core-dump", "exit-code"])
def test_after_any_other_end_the_path_stays(host: Host, result: str) -> None:
    assert host.does("stopped", SERVICE_RESULT=result) == []


def test_the_speaker_is_found_on_its_socket_too(host: Host) -> None:
    host.conf.write_text(
        CONF.replace("127.0.0.1:50051", "unix:///run/gobgpd/api.sock").replace("prefixes", "# prefixes")
    )
    called = host.does("stopped", SERVICE_RESULT="watchdog")
    assert called == ["gobgp --target unix:///run/gobgpd/api.sock global rib del 203.0.113.1/32 -a ipv4"]


@pytest.mark.parametrize(
    ("line", "name"),
    [("", "kun-probe-gw1"), ('probe_netns = ""\n', "kun-probe-gw1"), ('probe_netns = "mine"\n', "mine")],
    ids=["no key", "empty key", "own name"],
)
def test_modules_and_the_probes_namespace_are_there_before_the_agent(host: Host, line: str, name: str) -> None:
    host.conf.write_text(CONF + line)
    assert host.does("prepare") == ["modprobe -a sit jool", f"ip netns add {name}"]


def test_a_namespace_that_is_there_is_kept(host: Host) -> None:
    (host.root / "netns" / "kun-probe-gw1").touch()
    assert "ip netns add kun-probe-gw1" not in host.does("prepare")


def test_a_name_without_a_namespace_is_made_anew(host: Host) -> None:
    (host.root / "netns" / "kun-probe-gw1").touch()
    host.command("mountpoint", "exit 1")
    assert "ip netns add kun-probe-gw1" in host.does("prepare")
