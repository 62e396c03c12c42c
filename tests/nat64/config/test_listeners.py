"""Whether gateways can reach each other: what check-config notes, and what no listener can do."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kun_base.errors import ConfigError
from kun_nat64.config.listeners import notes
from kun_nat64.config.load import from_data
from kun_nat64.model.spec import AgentSpec

Specs = Callable[..., AgentSpec]
MEMBER = "http://10.2.2.2:9465"


def said(spec_with: Specs, fleet: dict[str, Any], admin: dict[str, Any]) -> str:
    return "\n".join(notes(spec_with(fleet=fleet, admin=admin)))


def test_members_that_cannot_ask_back_are_noted(spec_with: Specs) -> None:
    words = said(spec_with, {"members": [MEMBER], "listen": ""}, {})
    assert "cannot ask this one" in words
    assert '[fleet] listen = "10.2.1.2:9465"' in words


@pytest.mark.parametrize(
    ("fleet", "admin"),
    [
        ({"members": [MEMBER], "listen": "10.2.1.2:9465"}, {}),
        ({"members": [MEMBER], "listen": ""}, {"listen": "10.2.1.2:9465"}),
        ({"members": ["http://gw2.example.net:9465"], "listen": ""}, {"listen": "[::]:9465"}),
        ({"members": [], "listen": ""}, {}),
    ],
    ids=["fleet's own", "admin's", "by name", "alone"],
)
def test_a_fleet_that_can_is_not(spec_with: Specs, fleet: dict[str, Any], admin: dict[str, Any]) -> None:
    assert said(spec_with, fleet, admin) == ""


@pytest.mark.parametrize(
    ("member", "admin", "words"),
    [
        ("http://198.51.100.9:9465", {}, "no network of admin.allow"),
        (MEMBER, {"allow": ["127.0.0.0/8"]}, "no network of admin.allow"),
        ("http://127.0.0.1:9466", {}, "this machine itself"),
        ("https://10.2.2.2:9465", {}, "itself speaks http"),
    ],
)
def test_a_member_that_is_not_admitted_is_noted(
    spec_with: Specs, member: str, admin: dict[str, Any], words: str
) -> None:
    assert words in said(spec_with, {"members": [member], "listen": "10.2.1.2:9465"}, admin)


def test_files_that_cannot_be_used_are_noted(spec_with: Specs, tmp_path: Path) -> None:
    none = str(tmp_path / "none")
    words = said(spec_with, {"members": []}, {"token_file": none, "certificate": none, "key": none})
    assert f"admin.token_file {none} cannot be read" in words
    assert f"admin.certificate {none} and {none} cannot be used" in words


@pytest.mark.parametrize(
    ("fleet", "admin", "where"),
    [
        ({"listen": "0.0.0.0:9465"}, {}, "fleet.listen"),
        ({"listen": "10.2.1.2:9465"}, {"listen": "0.0.0.0:9465"}, "fleet.listen"),
        ({}, {"certificate": "/etc/kun/a.crt"}, "admin.certificate"),
        ({}, {"key": "/etc/kun/a.key"}, "admin.key"),
        ({}, {"allow": []}, "admin.allow"),
        ({}, {"allow": ["10.0.0.1/8"]}, "admin.allow[0]"),
        ({}, {"names": ["gw1:9465"]}, "admin.names[0]"),
        ({}, {"token_file": "token"}, "admin.token_file"),
    ],
)
def test_what_cannot_be_listened_on_is_a_fault(
    spec_with: Specs, fleet: dict[str, Any], admin: dict[str, Any], where: str
) -> None:
    written = spec_with().written
    assert written is not None
    data = {**written, "fleet": {**written["fleet"], **fleet}, "admin": {**written["admin"], **admin}}
    with pytest.raises(ConfigError) as raised:
        from_data(data, "test")
    assert [fault.where for fault in raised.value.faults] == [where]


def test_one_address_twice_is_listened_on_once(spec_with: Specs) -> None:
    spec = spec_with(fleet={"listen": "10.2.1.2:9465"}, admin={"listen": "10.2.1.2:9465"})
    assert spec.fleet.listen == (spec.admin.host, spec.admin.port)


@pytest.mark.parametrize(
    ("gateway", "bgp", "noted"),
    [
        ({"uplink": "eth1"}, {}, True),
        ({}, {"next_hop": "192.0.2.11"}, True),
        ({"uplink": "eth1", "one_armed": True}, {}, False),
        ({}, {}, False),
    ],
    ids=["named", "by an address", "meant", "two interfaces"],
)
def test_one_interface_for_both_sides_is_noted(
    gateway: dict[str, Any], bgp: dict[str, Any], noted: bool, spec_with: Callable[..., AgentSpec]
) -> None:
    told = [note for note in notes(spec_with(gateway=gateway, bgp=bgp)) if "one_armed = true" in note]
    assert bool(told) is noted
