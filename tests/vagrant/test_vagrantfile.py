"""The Vagrantfile as vagrant reads it, and what provisioning writes, as the programs read it. No machine is started."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
VAGRANT = ROOT / "vagrant"
PROVISION = VAGRANT / "provision"
VAGRANTFILE = (VAGRANT / "Vagrantfile").read_text()
GATEWAYS = (1, 2)


def addresses_of(machine: str) -> dict[str, str]:
    """Network name to address, as the Vagrantfile's table says."""
    table = re.split(r'^  "(\w+)" => ', VAGRANTFILE.partition("}.freeze")[0], flags=re.MULTILINE)
    block = table[table.index(machine) + 1]
    return dict(re.findall(r'"(\w+)" => "([\d.]+)"', block))


def rendered(script: str, *arguments: str) -> str:
    argv = ["bash", str(PROVISION / script), *arguments]
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True).stdout


def gateway_config(number: int) -> str:
    return rendered("gateway.sh", "--config", str(number), f"gw{number}", "eth2", "8800")


def test_vagrant_accepts_it(tool, run, tmp_path: Path) -> None:
    vagrant = tool("vagrant", "vagrant")
    environment = os.environ | {"VAGRANT_HOME": str(tmp_path / "home"), "VAGRANT_CHECKPOINT_DISABLE": "1"}
    plugins = run(vagrant, "plugin", "list", cwd=VAGRANT, env=environment, timeout_s=120)
    # The provider's own settings are looked at where the provider is.
    options = () if "vagrant-libvirt" in plugins.stdout else ("--ignore-provider",)
    checked = run(vagrant, "validate", *options, cwd=VAGRANT, env=environment, timeout_s=120)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "validated successfully" in checked.stdout


def test_vagrant_refuses_a_broken_one(tool, run, tmp_path: Path) -> None:
    broken = tmp_path / "Vagrantfile"
    broken.write_text(VAGRANTFILE.replace("config.vm.boot_timeout", "config.vm.boot_time_out"))
    environment = os.environ | {"VAGRANT_HOME": str(tmp_path / "home"), "VAGRANT_CHECKPOINT_DISABLE": "1"}
    checked = run(
        tool("vagrant", "vagrant"), "validate", "--ignore-provider", cwd=tmp_path, env=environment, timeout_s=120
    )
    assert checked.returncode != 0
    assert "boot_time_out" in checked.stdout + checked.stderr


def test_all_five_machines_are_there_with_both_providers() -> None:
    assert re.findall(r'^  "(\w+)" => \{', VAGRANTFILE, re.MULTILINE) == ["tor", "internet", "gw1", "gw2", "node"]
    assert "guest.vm.provider :libvirt" in VAGRANTFILE
    assert "guest.vm.provider :virtualbox" in VAGRANTFILE


def test_no_guest_takes_the_address_that_libvirt_gives_to_the_host() -> None:
    assert [address for address in re.findall(r'"(\d+\.\d+\.\d+\.\d+)"', VAGRANTFILE) if address.endswith(".1")] == []


@pytest.mark.parametrize("script", sorted(set(re.findall(r'script: "([\w.]+)"', VAGRANTFILE))))
def test_provisioning_is_there_and_installs_by_the_one_script(script: str) -> None:
    text = (PROVISION / script).read_text()
    assert re.search(r"install_role (gateway|node,dns|tor)$", text, re.MULTILINE) or script == "internet.sh"
    assert "gateway-config/install.sh" in (PROVISION / "common.sh").read_text()


@pytest.mark.parametrize("number", GATEWAYS)
def test_kun_nat64_accepts_each_gateways_configuration(number: int, tmp_path: Path) -> None:
    file = tmp_path / "kun-nat64.toml"
    file.write_text(gateway_config(number))
    argv = [Path(sys.executable).parent / "kun-nat64", "check-config", file]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("number", GATEWAYS)
def test_a_gateways_addresses_are_those_of_its_machine(number: int) -> None:
    config = tomllib.loads(gateway_config(number))
    own, tor = addresses_of(f"gw{number}"), addresses_of("tor")
    inside = f"gw{number}"
    assert config["bgp"]["router_id"] == config["bgp"]["next_hop"] == own[inside]
    assert [peer["address"] for peer in config["bgp"]["peers"]] == [tor[inside]]
    assert [entry["address"] for entry in config["nat64"]["pool4"]] == [own["outside"]]
    other = addresses_of(f"gw{3 - number}")[f"gw{3 - number}"]
    assert config["fleet"]["members"] == [f"http://{other}:9465"]


@pytest.mark.parametrize("number", GATEWAYS)
def test_gobgpd_accepts_each_gateways_file(number: int, tool, run, tmp_path: Path) -> None:
    file = tmp_path / "gobgpd.conf"
    file.write_text(rendered("gateway.sh", "--speaker", str(number), str(ROOT)))
    checked = run(tool("gobgpd", "gobgpd"), "-d", "-f", file)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    speaker = tomllib.loads(file.read_text())
    neighbour = speaker["neighbors"][0]
    assert neighbour["config"]["neighbor-address"] == addresses_of("tor")[f"gw{number}"]
    own = addresses_of(f"gw{number}")[f"gw{number}"]
    assert speaker["global"]["config"]["router-id"] == neighbour["transport"]["config"]["local-address"] == own


def test_bird_accepts_the_routers_file_with_both_gateways(tool, run, tmp_path: Path) -> None:
    file = tmp_path / "bird.conf"
    file.write_text(rendered("tor.sh", "--config", str(ROOT)))
    checked = run(tool("bird", "bird2"), "-p", "-c", file)
    assert checked.returncode == 0, checked.stderr
    neighbours = re.findall(r"neighbor ([\d.]+)", file.read_text())
    assert neighbours == [addresses_of(f"gw{number}")[f"gw{number}"] for number in GATEWAYS]


def test_kun_dns64_accepts_the_nodes_configuration(tmp_path: Path) -> None:
    file = tmp_path / "kun-dns64.toml"
    file.write_text(rendered("node.sh", "--config"))
    argv = [Path(sys.executable).parent / "kun-dns64", "check-config", file]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_nodes_socket_listens_where_the_pod_asks() -> None:
    listen = tomllib.loads(rendered("node.sh", "--config"))["server"]["listen"]
    sockets = re.findall(r"^Listen(Datagram|Stream)=(.+)$", rendered("node.sh", "--socket"), re.MULTILINE)
    assert {address for _, address in sockets} == set(listen)
    assert {kind for kind, _ in sockets} == {"Datagram", "Stream"}


def test_the_pods_network_is_the_nodes_6to4_prefix() -> None:
    parts = [int(part) for part in addresses_of("node")["node"].split(".")]
    prefix = f"2002:{parts[0] << 8 | parts[1]:x}:{parts[2] << 8 | parts[3]:x}:"
    assert f"pod_network={prefix}1\n" in (PROVISION / "node.sh").read_text()


def test_the_zone_of_the_internet_loads(tool, run, tmp_path: Path) -> None:
    file = tmp_path / "example.org.zone"
    file.write_text(rendered("internet.sh", "--zone"))
    checked = run(tool("nsd-checkzone", "nsd"), "example.org", file)
    assert checked.returncode == 0, checked.stdout + checked.stderr
