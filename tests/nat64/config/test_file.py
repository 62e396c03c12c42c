import json
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, TypeAdapter

from kun_base.errors import ConfigError
from kun_base.partial import model_in
from kun_nat64.config.file import ConfigFile
from kun_nat64.config.load import load, schema
from kun_nat64.model.spec import AgentSpec, Target, TargetKind
from tests.nat64.config.faults import faults

SHIPPED = Path(__file__).parents[3] / "gateway-config" / "kun-nat64.toml"
REQUIRED = """
[gateway]
vip = "203.0.113.1"
outside = "eth1"
[nat64]
pool4 = [{ address = "192.0.2.11" }]
[bgp]
local_as = 65001
router_id = "10.2.1.2"
peers = [{ address = "10.2.1.1", as = 65000 }]
[health]
targets = ["tcp://198.51.100.80:80"]
"""


def test_the_shipped_file_loads() -> None:
    assert load(SHIPPED).gateway.vip == IPv4Address("203.0.113.1")


# Keys whose place in the shipped file holds an example, because a default would show nothing.
EXAMPLES = {("gateway", "name"), ("gateway", "vip"), ("bgp", "next_hop"), ("fleet", "members"), ("fleet", "listen")}
# What the shipped file has behind a # has tests of its own (config/test_tenants.py, base/test_follow_section.py).
SECTIONS = {
    name: model_in(field.annotation)
    for name, field in ConfigFile.model_fields.items()
    if name not in ("tenant", "follow")
}
KEYS = [
    (section, name)
    for section, model in SECTIONS.items()
    for name, field in model.model_fields.items()
    if not field.is_required() and (section, name) not in EXAMPLES
]


@pytest.mark.parametrize(("section", "name"), KEYS, ids=".".join)
def test_the_shipped_file_shows_every_key_with_its_default(
    section: str, name: str, shipped_data: dict[str, Any]
) -> None:
    if (section, name) in (("nat64", "pool6"), ("bgp", "next_hop6")):
        assert f"\n#{name} = " in SHIPPED.read_text()
        return
    field = SECTIONS[section].model_fields[name]
    kind: Any = Annotated[field.annotation, AfterValidator(lambda value: value), *field.metadata]
    default = TypeAdapter(kind).dump_python(field.get_default(call_default_factory=True), mode="json")
    assert shipped_data[section][name] == default


def test_what_is_required_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "kun-nat64.toml"
    path.write_text(REQUIRED)
    spec = load(path)
    assert spec.bgp.next_hop == spec.bgp.router_id
    assert spec.health.probe_netns == "kun-probe-gateway"
    assert spec.bgp.prefixes == (IPv4Network("203.0.113.1/32"),)
    assert spec.fleet.members == ()


def test_sections_that_are_missing_are_asked_for() -> None:
    assert {fault.split(":")[0] for fault in faults({})} == {"gateway", "nat64", "bgp", "health"}


def test_a_section_of_the_wrong_kind_is_a_fault_and_no_crash() -> None:
    for wrong in (7, "text", [], None):
        assert any(fault.startswith("gateway") for fault in faults({"gateway": wrong}))


@pytest.mark.parametrize("vip", ["10.0.0.1", "100.64.0.1", "192.88.99.1"])
def test_a_nonglobal_vip_can_be_admitted(vip: str, spec_with: Callable[..., AgentSpec]) -> None:
    gateway = {"vip": vip, "allow_nonglobal_vip": True}
    assert spec_with(gateway=gateway).gateway.vip == IPv4Address(vip)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("tcp://198.51.100.80:80", Target(TargetKind.TCP, IPv4Address("198.51.100.80"), 80)),
        ("icmp://198.51.100.81", Target(TargetKind.ICMP, IPv4Address("198.51.100.81"))),
        ("dns://198.51.100.53/example.net", Target(TargetKind.DNS, IPv4Address("198.51.100.53"), 53, "example.net")),
        ("udp://198.51.100.53:5353/a.b", Target(TargetKind.DNS, IPv4Address("198.51.100.53"), 5353, "a.b")),
    ],
)
def test_targets_are_understood(text: str, target: Target, spec_with: Callable[..., AgentSpec]) -> None:
    assert spec_with(health={"targets": [text]}).health.targets == (target,)


def test_the_schema_is_json_and_knows_every_section() -> None:
    found = json.loads(schema())
    assert set(found["properties"]) == set(ConfigFile.model_fields)


def test_a_file_that_is_missing_or_no_toml_is_one_fault(tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_text("[gateway\n")
    for wrong in (path, tmp_path / "none.toml"):
        with pytest.raises(ConfigError) as raised:
            load(wrong)
        assert len(raised.value.faults) == 1


@pytest.mark.parametrize(
    ("section", "key", "where"),
    [("nat64", "session_log", "nat64.session_log"), ("audit", "database", "audit.database")],
)
def test_places_of_logs_do_not_depend_on_where_the_agent_starts(
    changed: Callable[..., dict[str, Any]], section: str, key: str, where: str
) -> None:
    assert [fault.split(" ")[0] for fault in faults(changed(section, **{key: "sessions.jsonl"}))] == [where]


@pytest.mark.parametrize(
    "member", ["http://10.2.2.2:9465", "https://gw2.example.net", "http://[2001:db8::1]:9465", "http://gw_2:9465/x"]
)
def test_urls_of_members_are_taken(member: str, spec_with: Callable[..., AgentSpec]) -> None:
    assert spec_with(fleet={"members": [member]}).fleet.members == (member,)


def test_a_sysctl_of_several_numbers_is_what_the_kernel_will_print(spec_with: Callable[..., AgentSpec]) -> None:
    assert spec_with(gateway={"sysctls": {"net.ipv4.conf.eth1/100.rp_filter": "2"}}), "of the interface eth1.100"
    spec = spec_with(gateway={"sysctls": {"net.ipv4.tcp_rmem": "4096\t 87380  16777216 "}})
    assert dict(spec.gateway.sysctls)["net.ipv4.tcp_rmem"] == "4096 87380 16777216"
