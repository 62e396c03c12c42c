"""The hosts' configuration files are the shipped ones with this host's addresses in them."""

import re
import tomllib
from pathlib import Path

import dns.zone
import pytest

from kun_dns64.config import load as dns64
from kun_nat64.config import load as nat64
from lab.codedisk import shipped_files
from lab.errors import LabError
from lab.rendering import SHIPPED, host_files
from lab.services import services_of
from lab.shipped import put
from lab.speakers import with_speakers
from lab.topology import topology

PLAN = topology(3)
SHIPPED_FILES = shipped_files()


def files_of(name: str) -> dict[str, str]:
    return host_files(PLAN, PLAN.host(name), SHIPPED_FILES)


def test_every_shipped_file_that_is_rendered_exists() -> None:
    assert set(SHIPPED_FILES) == set(SHIPPED)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_gateway_has_its_own_addresses_and_the_others_as_members(number: int) -> None:
    config = tomllib.loads(files_of(f"gw{number}")["/etc/kun/kun-nat64.toml"])
    assert config["gateway"]["name"] == f"gw{number}"
    assert config["nat64"]["pool4"][0]["address"] == f"192.0.2.1{number}"
    assert config["bgp"]["router_id"] == config["bgp"]["next_hop"] == f"10.2.{number}.2"
    assert config["bgp"]["peers"][0]["address"] == f"10.2.{number}.1"
    assert config["admin"]["listen"] == f"10.2.{number}.2:9465"
    others = {1, 2, 3} - {number}
    assert config["fleet"]["members"] == [f"http://10.2.{other}.2:9465" for other in sorted(others)]


def test_a_gateway_differs_from_the_shipped_file_in_its_addresses_only() -> None:
    shipped, own = (
        tomllib.loads(SHIPPED_FILES["kun-nat64.toml"]),
        tomllib.loads(files_of("gw2")["/etc/kun/kun-nat64.toml"]),
    )
    changed = {f"{part}.{key}" for part in shipped for key in shipped[part] if shipped[part][key] != own[part][key]}
    assert changed == {
        "gateway.observe_s", "health.interval_s", "health.timeout_s",
        "gateway.name", "nat64.pool4", "bgp.router_id", "bgp.next_hop", "bgp.peers", "fleet.members",
        "fleet.listen", "admin.listen",
    }  # fmt: skip


@pytest.mark.parametrize("number", [1, 2, 3])
def test_gobgpd_dials_its_own_port_of_the_tor(number: int) -> None:
    config = tomllib.loads(files_of(f"gw{number}")["/etc/kun/gobgpd.conf"])
    (neighbor,) = config["neighbors"]
    assert config["global"]["config"]["router-id"] == f"10.2.{number}.2"
    assert neighbor["config"]["neighbor-address"] == f"10.2.{number}.1"
    assert neighbor["transport"]["config"]["local-address"] == f"10.2.{number}.2"


@pytest.mark.parametrize("count", [1, 3, 5])
def test_the_tor_knows_every_gateway_once(count: int) -> None:
    plan = topology(count)
    text = host_files(plan, plan.host("tor"), SHIPPED_FILES)["/etc/bird/kun-tor.conf"]
    neighbors = re.findall(r"^protocol bgp (\w+) from kun_gateway \{ neighbor ([\d.]+) as", text, re.MULTILINE)
    assert neighbors == [(f"gw{n}", f"10.2.{n}.2") for n in range(1, count + 1)]


def test_the_dns_servers_file_is_accepted_by_kun_dns64(tmp_path: Path) -> None:
    file = tmp_path / "kun-dns64.toml"
    file.write_text(files_of("dns")["/etc/kun/kun-dns64.toml"])
    dns64.load(file)
    assert tomllib.loads(file.read_text())["server"]["listen"][0] == "[2002:a03:2::1]:53"


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_gateways_file_is_accepted_by_kun_nat64(number: int, tmp_path: Path) -> None:
    file = tmp_path / "kun-nat64.toml"
    file.write_text(files_of(f"gw{number}")["/etc/kun/kun-nat64.toml"])
    nat64.load(file)


def test_the_pod_asks_the_dns_server() -> None:
    assert files_of("pod")["/etc/resolv.conf"].splitlines()[0] == "nameserver 2002:a03:2::1"


@pytest.mark.parametrize(("host", "address"), [("node", "10.1.0.2"), ("dns", "10.3.0.2")])
def test_a_6to4_host_has_its_own_outer_address(host: str, address: str) -> None:
    assert f"\nLOCAL={address}\n" in files_of(host)["/etc/kun/kun-6to4.conf"]


def test_zone_is_read_by_dnspython_and_has_names_of_every_kind() -> None:
    text = files_of("internet")["/etc/nsd/example.net.zone"]
    zone = dns.zone.from_text(text, origin="example.net.", relativize=True)
    kinds = {str(name): {str(rrset.rdtype.name) for rrset in node} for name, node in zone.items()}
    assert kinds["www"] == {"A"}
    assert kinds["dual"] == {"A", "AAAA"}
    assert kinds["six"] == {"AAAA"}
    assert kinds["alias"] == {"CNAME"}


def test_a_shipped_file_that_has_lost_its_place_is_reported() -> None:
    with pytest.raises(LabError, match="0 places instead of one"):
        put("name = gw1", r"^router_id = .*$", "x")


def test_a_place_that_has_become_ambiguous_is_reported() -> None:
    with pytest.raises(LabError, match="2 places instead of one"):
        put("a = 1\na = 2\n", r"^a = .*$", "x")


@pytest.mark.parametrize("managed", [False, True])
def test_gateways_on_frr_and_bird_have_their_own_files_and_programs(managed: bool, tmp_path: Path) -> None:
    plan = with_speakers(PLAN, {"gw2": "frr", "gw3": "bird"}, managed)
    for host, speaker, own, programs in (
        ("gw2", "frr", "/etc/frr/frr.conf", ["mgmtd", "zebra", "bfdd", "bgpd"]),
        ("gw3", "bird", "/etc/bird/kun-gateway.conf", ["bird"]),
    ):
        files = host_files(plan, plan.host(host), SHIPPED_FILES)
        assert ("neighbor" in files[own]) != managed
        assert "10.2.1." not in files[own]
        file = tmp_path / f"{host}.toml"
        file.write_text(files["/etc/kun/kun-nat64.toml"])
        bgp = nat64.load(file).bgp
        assert (bgp.speaker, bgp.manage_daemon, bgp.peers[0].bfd) == (speaker, managed, managed)
        assert [service.name for service in services_of(plan, plan.host(host))] == [*programs, "kun-nat64"]


def test_the_tor_has_bfd_for_those_that_have_it() -> None:
    plan = with_speakers(PLAN, {"gw2": "frr"})
    text = host_files(plan, plan.host("tor"), SHIPPED_FILES)["/etc/bird/kun-tor.conf"]
    assert "protocol bfd" in text
    assert re.findall(r"^protocol bgp (\w+) .*bfd on;", text, re.MULTILINE) == ["gw2"]
    assert "protocol bfd" not in host_files(PLAN, PLAN.host("tor"), SHIPPED_FILES)["/etc/bird/kun-tor.conf"]
