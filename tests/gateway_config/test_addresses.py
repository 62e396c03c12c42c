"""Addresses and ports: every shipped file that names one says the same as the others."""

import json
import re
import tomllib
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

ROOT = Path(__file__).parent.parent.parent
CONFIG = ROOT / "gateway-config"
AGENT = tomllib.loads((CONFIG / "kun-nat64.toml").read_text())
SERVER = tomllib.loads((CONFIG / "kun-dns64.toml").read_text())
MANIFEST = list(yaml.safe_load_all((CONFIG / "kubernetes" / "kun-dns64.yaml").read_text()))
IN_CLUSTER = tomllib.loads(next(one for one in MANIFEST if one["kind"] == "ConfigMap")["data"]["kun-dns64.toml"])
# As prometheus/scrape.yml, the lab and docs have them.
GATEWAYS = {"10.2.1.2:9465", "10.2.2.2:9465", "10.2.3.2:9465"}


def places(urls: list[str]) -> set[str]:
    return {urlsplit(url).netloc for url in urls}


def admits(section: dict[str, Any], address: str) -> bool:
    return any(ip_address(address) in ip_network(network) for network in section["allow"])


def jobs() -> dict[str, Any]:
    found = yaml.safe_load((CONFIG / "prometheus" / "scrape.yml").read_text())
    return {one["job_name"]: one for one in found["scrape_configs"]}


def test_a_gateway_and_the_members_it_names_are_the_whole_fleet() -> None:
    assert {AGENT["fleet"]["listen"], *places(AGENT["fleet"]["members"])} == GATEWAYS
    assert AGENT["fleet"]["listen"].startswith(AGENT["bgp"]["next_hop"] + ":"), "the others know it by this address"


def test_the_loopback_and_the_fleets_address_have_one_port() -> None:
    assert AGENT["admin"]["listen"].rpartition(":")[2] == AGENT["fleet"]["listen"].rpartition(":")[2]


def test_members_admit_each_other() -> None:
    native = tomllib.loads((CONFIG / "kun-nat64-native.toml").read_text())
    others = [urlsplit(url).hostname or "" for url in native["fleet"]["members"]]
    assert [one for one in others if not admits(native["admin"], one)] == []
    assert [one for one in GATEWAYS if not admits(AGENT["admin"], one.rpartition(":")[0])] == []


def test_prometheus_asks_the_gateways_where_they_listen() -> None:
    targets = [one for static in jobs()["kun-nat64"]["static_configs"] for one in static["targets"]]
    assert set(targets) == GATEWAYS


def test_prometheus_asks_the_server_where_it_listens() -> None:
    targets = [one for static in jobs()["kun-dns64"]["static_configs"] for one in static["targets"]]
    assert targets == [SERVER["admin"]["listen"]]


def test_servers_in_a_cluster_ask_every_gateway_where_it_listens() -> None:
    assert places(IN_CLUSTER["dns64"]["gateway_status"]) == GATEWAYS
    assert {urlsplit(url).path for url in IN_CLUSTER["dns64"]["gateway_status"]} == {"/readyz"}


def test_the_manifest_has_one_admin_port() -> None:
    port = IN_CLUSTER["admin"]["listen"].rpartition(":")[2]
    pod = next(one for one in MANIFEST if one["kind"] == "Deployment")["spec"]["template"]
    assert pod["metadata"]["annotations"]["prometheus.io/port"] == port
    container = pod["spec"]["containers"][0]
    assert [str(one["containerPort"]) for one in container["ports"] if one["name"] == "admin"] == [port]
    assert {container[kind]["httpGet"]["port"] for kind in ("readinessProbe", "livenessProbe")} == {"admin"}
    assert SERVER["admin"]["listen"].rpartition(":")[2] == port


def test_the_manifest_admits_its_nodes_and_private_pods() -> None:
    for address in ("127.0.0.1", "::1", "10.1.0.1", "fd00:10:244::7", "2002:a01:1::1"):
        assert admits(IN_CLUSTER["admin"], address), address


def test_the_image_serves_the_manifests_port() -> None:
    image = tomllib.loads((CONFIG / "kubernetes" / "image.toml").read_text())
    assert image["admin"]["listen"] == IN_CLUSTER["admin"]["listen"]
    port = image["admin"]["listen"].rpartition(":")[2]
    recipe = (CONFIG / "kubernetes" / "Containerfile").read_text()
    assert f"{port}/tcp" in recipe
    assert f":{port}/healthz" in recipe


def test_the_vip_is_one() -> None:
    assert IN_CLUSTER["dns64"]["vip"] == AGENT["gateway"]["vip"]


def test_dashboards_name_no_address() -> None:
    texts = [json.dumps(json.loads(path.read_text())) for path in (CONFIG / "grafana").glob("*.json")]
    assert [found for text in texts for found in re.findall(r"\d+\.\d+\.\d+\.\d+:\d+", text)] == []


def test_no_other_shipped_file_names_another_admin_port() -> None:
    """Every ADDRESS:946x of the folder is one of those above, a wildcard or the loopback."""
    native = tomllib.loads((CONFIG / "kun-nat64-native.toml").read_text())
    known = (
        GATEWAYS
        | {native["fleet"]["listen"], *places(native["fleet"]["members"])}
        | {f"{host}:{port}" for host in ("127.0.0.1", "[::]", "[::1]") for port in range(9464, 9468)}
    )
    wrong = [
        f"{path.relative_to(ROOT)}: {found}"
        for path in sorted(CONFIG.rglob("*"))
        if path.is_file()
        for found in re.findall(r"(?:\d+\.\d+\.\d+\.\d+|\[[0-9a-f:]*\]):946\d", path.read_text())
        if found not in known
    ]
    assert wrong == []
