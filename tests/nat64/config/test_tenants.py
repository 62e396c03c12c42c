"""[[tenant]] in the file: what it becomes, and every contradiction with its clear error."""

import re
import tomllib
from collections.abc import Callable
from ipaddress import IPv6Address
from typing import Any

import pytest

from kun_base.errors import ConfigError
from kun_nat64.config.file import TenantEntry
from kun_nat64.config.load import from_data
from kun_nat64.model.spec import AgentSpec
from kun_nat64.policy.tenantnumbers import FILE_FIRST, FILE_LAST, free_number, number_of_name
from tests.nat64.conftest import SHIPPED

WEB: dict[str, Any] = {"name": "web", "networks": ["2002:a01:2:1::/64"], "pool4": [{"address": "192.0.2.99"}]}
Faults = Callable[..., list[str]]


@pytest.fixture
def faults(shipped_data: dict[str, Any]) -> Faults:
    def of(*tenants: Any) -> list[str]:
        with pytest.raises(ConfigError) as raised:
            from_data({**shipped_data, "tenant": list(tenants)}, "test")
        return [str(fault) for fault in raised.value.faults]

    return of


@pytest.fixture
def loaded(shipped_data: dict[str, Any]) -> Callable[..., AgentSpec]:
    return lambda *tenants: from_data({**shipped_data, "tenant": list(tenants)}, "test")


def test_a_tenant_has_its_clients_and_its_ports(loaded: Callable[..., AgentSpec]) -> None:
    spec = loaded(WEB, {"name": "outlaw", "networks": ["2002:a01:9::/48"], "deny": True})
    web, outlaw = spec.tenants
    assert [(str(one.address), one.first_port, one.last_port) for one in web.pool4] == [("192.0.2.99", 20000, 60000)]
    assert outlaw.deny
    found = spec.clients.of(IPv6Address("2002:a01:2:1::10"))
    assert found is not None
    assert found.tenant == "web"
    assert spec.clients.of(IPv6Address("2002:a01:3::1")) is None


def test_a_number_follows_from_the_name_alone_or_is_given(loaded: Callable[..., AgentSpec]) -> None:
    assert loaded(WEB).tenants[0].number == number_of_name("web")
    assert loaded({**WEB, "mark": 5000000}).tenants[0].number == 5000000
    assert all(FILE_FIRST <= number_of_name(f"t{n}") <= FILE_LAST for n in range(1000))


def test_a_number_that_is_taken_is_not_given_again() -> None:
    taken: set[int] = set()
    for n in range(2000):
        number = free_number(f"class-{n % 3}", taken)
        assert number not in taken
        assert number > FILE_LAST
        taken.add(number)


ALONE = [
    pytest.param({**WEB, "networks": []}, "tenant[0].networks", "must not be empty", id="no client"),
    pytest.param({**WEB, "networks": ["10.0.0.0/8"]}, "tenant[0].networks[0]", "IPv6", id="an IPv4 client"),
    pytest.param({**WEB, "networks": ["2002:a01::1/64"]}, "tenant[0].networks[0]", "host bits", id="host bits"),
    pytest.param({**WEB, "networks": ["fd00::/8"]}, "tenant[0].networks[0]", "check_source", id="no 6to4"),
    pytest.param({**WEB, "networks": ["2002:cb00:7101::/64"]}, "tenant[0].networks[0]", "VIP's own", id="the VIP's"),
    pytest.param({**WEB, "pool4": [{"address": "2001:db8::1"}]}, "pool4[0].address", "IPv4", id="an IPv6 address"),
    pytest.param({**WEB, "pool4": [{"address": "203.0.113.1"}]}, "pool4[0].address", "is the VIP", id="the VIP"),
    pytest.param({**WEB, "pool4": [{"address": "224.0.0.1"}]}, "pool4[0].address", "come back", id="multicast"),
    pytest.param({**WEB, "pool4": [{"address": "192.0.2.11"}]}, "pool4[0].ports", "nat64.pool4[0]", id="everybody's"),
    pytest.param(
        {**WEB, "pool4": [{"address": "192.0.2.99"}, {"address": "192.0.2.99", "ports": "60000-60001"}]},
        "tenant[0].pool4[1].ports",
        'overlaps tenant "web".pool4[0]',
        id="its own ports twice",
    ),
    pytest.param({**WEB, "deny": True}, "tenant[0].pool4", "has no effect with deny", id="refused with ports"),
    pytest.param(
        {"name": "x", "networks": ["2002:a01::/32"], "deny": True, "max_sessions": 5},
        "tenant[0].max_sessions",
        "has no effect with deny",
        id="refused with a limit",
    ),
    pytest.param({**WEB, "max_sessions": -1}, "tenant[0].max_sessions", "0 or more", id="a limit below zero"),
    pytest.param({**WEB, "mark": 7}, "tenant[0].mark", "4194305", id="a number of the controller's range"),
    pytest.param({**WEB, "name": "a b"}, "tenant[0].name", "", id="a name with a space"),
    pytest.param({**WEB, "netwoks": []}, "tenant[0].netwoks", "networks", id="a key misspelt"),
    pytest.param({**WEB, "pool4": [{"address": "198.51.100.80"}]}, "health.targets", "address of", id="a target's"),
]


@pytest.mark.parametrize(("tenant", "where", "words"), ALONE)
def test_a_wrong_tenant_is_told(faults: Faults, tenant: dict[str, Any], where: str, words: str) -> None:
    said = faults(tenant)
    assert any(where in one and words in one for one in said), said


TOGETHER = [
    pytest.param({"name": "web"}, "tenant[1].name", 'the name of tenant "web"', id="one name"),
    pytest.param(
        {"networks": ["2002:a01:2:1::/64"]}, "tenant[1].networks[0]", 'is tenant "web".networks[0]', id="one network"
    ),
    pytest.param({"networks": ["2002:a01:2:1::7/128"]}, "tenant[1].networks[0]", "is inside", id="a network inside"),
    pytest.param({"networks": ["2002:a01:2::/48"]}, "tenant[0].networks[0]", "is inside 2002:a01:2::/48", id="around"),
    pytest.param({"pool4": [{"address": "192.0.2.99", "ports": "20000"}]}, "tenant[1].pool4[0]", "overlaps", id="port"),
    pytest.param({"mark": number_of_name("web")}, "tenant[1].mark", "tenant 'web'", id="one number"),
]


@pytest.mark.parametrize(("keys", "where", "words"), TOGETHER)
def test_what_two_tenants_may_not_share_is_told(faults: Faults, keys: dict[str, Any], where: str, words: str) -> None:
    other = {"name": "other", "networks": ["2002:a01:3::/48"], "pool4": [{"address": "192.0.2.98"}], **keys}
    (said,) = faults(WEB, other)
    assert where in said
    assert words in said


def test_ports_of_one_address_may_have_several_owners(loaded: Callable[..., AgentSpec]) -> None:
    low = {**WEB, "pool4": [{"address": "192.0.2.11", "ports": "1024-2047"}]}
    high = {"name": "b", "networks": ["2002:a01:3::/48"], "pool4": [{"address": "192.0.2.11", "ports": "2048-3071"}]}
    assert len(loaded(low, high).tenants) == 2


def test_one_run_tells_all_faults_of_all_tenants(faults: Faults) -> None:
    said = faults({"networks": ["2002:a01::/32"]}, {**WEB, "mark": 1}, {**WEB, "name": "web", "networks": ["x"]})
    places = ("tenant[0].name", "tenant[1].mark", "tenant[2].name", "tenant[2].networks[0]", "tenant[2].pool4[0]")
    assert all(any(where in one for one in said) for where in places), said


def test_the_shipped_file_shows_every_key_of_a_tenant(loaded: Callable[..., AgentSpec]) -> None:
    """Behind a #: without it the file has no tenant. As it stands it is a right one."""
    shown = SHIPPED.read_text().partition("#[[tenant]]")[2].partition("\n#[")[0]
    keys = [line[1:] for line in shown.splitlines() if re.match(r"#[a-z0-9_]+ = ", line)]
    tenant = tomllib.loads("\n".join(keys))
    assert tenant.keys() == TenantEntry.model_fields.keys()
    assert loaded(tenant).tenants[0].name == "team-00"
