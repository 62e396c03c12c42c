"""The TOML files an operator starts from, read by the programs; and nothing in the folder that no test looks at."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
CONFIG = ROOT / "gateway-config"
PROGRAMS = ("kun-dns64", "kun-nat64")

# Folder or file of gateway-config: the test that loads it with the real tool.
LOOKED_AT_BY = {
    "README.md": "tests/gateway_config/test_programs_configuration.py",
    "bird": "tests/gateway_config/test_bgp.py",
    "controller": "tests/gateway_config/test_programs_configuration.py",
    "coredns": "tests/coredns/test_corefile.py",
    "frr": "tests/gateway_config/test_bgp.py",
    "gobgp": "tests/gateway_config/test_bgp.py",
    "grafana": "tests/gateway_config/test_prometheus.py",
    "install.sh": "tests/gateway_config/test_install_script.py",
    "kubernetes": "tests/coredns/test_kubernetes.py",
    "kun-dns64.toml": "tests/gateway_config/test_programs_configuration.py",
    "kun-nat64.toml": "tests/gateway_config/test_programs_configuration.py",
    "kun-nat64-native.toml": "tests/nat64/native/test_keys.py",
    "kernel": "tests/gateway_config/test_kernel_hook.py",
    "helm": "tests/cluster/test_chart.py",
    "logs": "tests/gateway_config/test_logs.py",
    "modules-load.d": "tests/gateway_config/test_kernel_settings.py",
    "node": "tests/gateway_config/test_six_to_four.py",
    "prometheus": "tests/gateway_config/test_prometheus.py",
    "sysctl.d": "tests/gateway_config/test_kernel_settings.py",
    "systemd": "tests/gateway_config/test_systemd_units.py",
}


def check_config(program: str, file: Path) -> subprocess.CompletedProcess[str]:
    argv = [Path(sys.executable).parent / program, "check-config", file]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_program_accepts_the_shipped_file(program: str, tmp_path: Path) -> None:
    done = check_config(program, CONFIG / f"{program}.toml")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_misspelt_key_is_found_there(program: str, tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text((CONFIG / f"{program}.toml").read_text().replace('\nlisten = "127', '\nlisen = "127', 1))
    done = check_config(program, bad)
    assert done.returncode == 2
    assert "admin.lisen" in done.stderr
    assert "listen" in done.stderr


def test_the_speaker_and_the_agent_name_the_same_neighbours() -> None:
    agent = tomllib.loads((CONFIG / "kun-nat64.toml").read_text())
    speaker = tomllib.loads((CONFIG / "gobgp" / "gobgpd.conf").read_text())
    assert speaker["global"]["config"] == {
        "as": agent["bgp"]["local_as"],
        "router-id": agent["bgp"]["router_id"],
        "port": -1,
    }
    wanted = [(peer["address"], peer["as"], peer["hold_s"]) for peer in agent["bgp"]["peers"]]
    told = [
        (one["config"]["neighbor-address"], one["config"]["peer-as"], one["timers"]["config"]["hold-time"])
        for one in speaker["neighbors"]
    ]
    assert told == wanted
    allowed = [entry["ip-prefix"] for entry in speaker["defined-sets"]["prefix-sets"][0]["prefix-list"]]
    assert allowed == [f"{agent['gateway']['vip']}/32"]


def controller_flags() -> list[list[str]]:
    """The flags of the shipped file: of its example, and those in force."""
    text = (CONFIG / "controller" / "kun-controller.conf").read_text()
    plain = re.sub(r"^# ?", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    return [shlex.split(found) for found in re.findall(r'^OPTIONS="([^"]*)"$', plain, re.MULTILINE)]


@pytest.mark.parametrize("flags", controller_flags(), ids=("example", "default"))
def test_the_controller_takes_the_flags_of_its_file(flags: list[str]) -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "kun-controller", "run", *flags],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "/run/kun-controller/" in done.stderr, "it misses the files that the service copies there"
    assert "option" not in done.stderr.lower()


def test_every_file_is_looked_at_by_a_test() -> None:
    assert {path.name for path in CONFIG.iterdir()} == set(LOOKED_AT_BY)
    assert [test for test in LOOKED_AT_BY.values() if not (ROOT / test).is_file()] == []


def test_the_readme_names_every_file() -> None:
    text = (CONFIG / "README.md").read_text()
    assert [name for name in LOOKED_AT_BY if name != "README.md" and f"`{name}" not in text] == []
