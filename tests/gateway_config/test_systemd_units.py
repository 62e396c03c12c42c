"""Units, as systemd itself reads and rates them."""

import re
import tomllib
from pathlib import Path

import pytest

from kun_nat64.config.load import load
from kun_nat64.drivers.execwatch import MOST_AWAITED

UNITS = Path(__file__).parent.parent.parent / "gateway-config" / "systemd"
SERVICES = sorted(UNITS.glob("*.service"))

# Exposure by `systemd-analyze security`, times ten. What is left of kun-nat64 is the price of links, rules and Jool.
MOST_EXPOSED = {
    "kun-controller.service": 13,
    "kun-dns64.service": 13,
    "kun-gobgpd.service": 13,
    "kun-nat64.service": 26,
    "kun-nat64-lapse.service": 22,
}


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


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("CapabilityBoundingSet", "CAP_NET_ADMIN", "links, rules, Jool"),
        ("CapabilityBoundingSet", "CAP_NET_RAW", "ICMP probes"),
        ("CapabilityBoundingSet", "CAP_SYS_ADMIN", "the probes' namespace"),
        ("ReadWritePaths", "/proc/sys/net", "ProtectKernelTunables seals it with all the rest"),
        ("ReadWritePaths", "-/run/xtables.lock", "the lock of iptables"),
        ("RestrictNamespaces", "net", "the probes' namespace is entered"),
        ("SystemCallFilter", "fanotify_init", "without it every cycle asks Jool four times"),
        ("SystemCallFilter", "fanotify_mark", "without it every cycle asks Jool four times"),
        ("RestrictAddressFamilies", "AF_NETLINK", "the agent works with it"),
    ],
)
def test_the_sandbox_leaves_the_agent_what_it_works_with(key: str, value: str, why: str) -> None:
    lines = re.findall(rf"^{key}=(.*)", (UNITS / "kun-nat64.service").read_text(), re.MULTILINE)
    assert any(value in line.split() for line in lines), why


def test_the_agent_may_not_mount_and_writes_to_nothing_else_of_run() -> None:
    text = (UNITS / "kun-nat64.service").read_text()
    allowed = " ".join(re.findall(r"^SystemCallFilter=([^~].*)", text, re.MULTILINE)).split()
    assert not {"mount", "umount2", "move_mount", "open_tree", "fsopen", "pivot_root", "@mount"} & {*allowed}
    writable = " ".join(re.findall(r"^ReadWritePaths=(.*)", text, re.MULTILINE)).split()
    assert "/run" not in writable


def test_the_agent_comes_to_the_speakers_socket_by_its_group() -> None:
    """Root without CAP_DAC_OVERRIDE is nobody special to files: only group and mode let it in."""
    text = (UNITS / "kun-gobgpd.service").read_text()
    assert "\nGroup=root\n" in text
    assert "\nUMask=0007\n" in text
    assert "\nRuntimeDirectoryMode=0750\n" in text


@pytest.mark.parametrize("kind", ["Datagram", "Stream"])
def test_the_socket_unit_and_the_configuration_name_the_same_addresses(kind: str) -> None:
    """Sockets win over `listen`; where they differ the program warns."""
    sockets = re.findall(rf"^Listen{kind}=(.+)$", (UNITS / "kun-dns64.socket").read_text(), re.MULTILINE)
    assert sockets == tomllib.loads((UNITS.parent / "kun-dns64.toml").read_text())["server"]["listen"]


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_no_unit_names_documentation_that_nothing_installs(unit: Path) -> None:
    assert "Documentation=file:" not in unit.read_text()


@pytest.mark.parametrize("name", ["kun-dns64.service", "kun-nat64.service"])
def test_programs_are_watched_and_notify(name: str) -> None:
    text = (UNITS / name).read_text()
    assert "Type=notify" in text
    assert re.search(r"^WatchdogSec=\d+", text, re.MULTILINE)


def test_a_bad_file_stops_neither_a_reload_nor_the_running_program() -> None:
    for name in ("kun-dns64.service", "kun-nat64.service", "kun-gobgpd.service"):
        reloads = re.findall(r"^ExecReload=(.*)", (UNITS / name).read_text(), re.MULTILINE)
        assert "check-config" in reloads[0] or " -d " in reloads[0], f"{name}: the file is checked before the signal"
        assert reloads[1] == "/bin/kill -HUP $MAINPID"


def test_the_speakers_api_is_a_socket_that_root_alone_opens() -> None:
    """By a port of the loopback every program of this machine could withdraw the VIP."""
    start = re.search(r"^ExecStart=.*--api-hosts (\S+)", (UNITS / "kun-gobgpd.service").read_text(), re.MULTILINE)
    assert start is not None
    agent = load(UNITS.parent / "kun-nat64.toml").bgp.api
    assert start[1].split(",") == [agent] == ["unix:///run/gobgpd/api.sock"]


def test_no_shipped_file_lets_gobgp_listen_on_a_port_for_its_api() -> None:
    """Units, packages, the lab and what the handbook tells people to type: one word of them would open it again."""
    root = UNITS.parents[1]
    found = {
        (str(path.relative_to(root)), where)
        for folder in ("gateway-config", "packaging", "lab", "vagrant", "docs", "kun_nat64")
        for path in (root / folder).rglob("*")
        if path.is_file() and path.suffix not in (".svg", ".pyc", ".so")
        for where in re.findall(r"--api-hosts[\"', =]+([^\s\"',]+)", path.read_text(errors="replace"))
    }
    assert {"gateway-config/systemd/kun-gobgpd.service", "lab/services.py"} <= {path for path, _ in found}
    assert {where for _, where in found} == {"unix:///run/gobgpd/api.sock"}


def test_the_agent_has_few_descriptors_and_more_than_its_bounded_sets_take() -> None:
    text = (UNITS / "kun-nat64.service").read_text()
    found = re.search(r"^LimitNOFILE=(\d+)$", text, re.MULTILINE)
    assert found is not None
    assert MOST_AWAITED * 4 <= int(found[1]) <= 65536
