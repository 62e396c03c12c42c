"""Who may ask by default: not the whole of 6to4 where the Internet can reach a listener."""

from ipaddress import ip_address

import pytest

from kun_dns64.config.allowed_clients import allowed_clients
from kun_dns64.config.endpoint import Endpoint
from kun_dns64.config.file import ServerSection
from kun_dns64.policy.networks import MISS, NetworkTable

PRIVATE, FOREIGN = ("2002:a01:2::1", "2002:ac1f:1::1", "2002:c0a8:101::1"), ("2002:808:808::1", "2002:b00:1::1")


def admitted(address: str, server: ServerSection) -> bool:
    return NetworkTable(allowed_clients(server)).first(ip_address(address)) != MISS


def listening(*where: str, **more: object) -> ServerSection:
    return ServerSection.model_validate({"listen": list(where), **more})


@pytest.mark.parametrize("where", ["[::]:53", "0.0.0.0:53", "8.8.8.8:53", "[2002:808:808::53]:53", "[2600::1]:53"])
def test_a_public_listener_admits_6to4_of_private_hosts_alone(where: str) -> None:
    server = listening("127.0.0.1:53", where)
    assert all(admitted(address, server) for address in PRIVATE)
    assert not any(admitted(address, server) for address in FOREIGN)
    assert admitted("10.0.0.1", server)


@pytest.mark.parametrize("where", ["127.0.0.1:53", "[::1]:53", "10.0.0.1:53", "[fd00::1]:53", "[2002:a01:2::53]:53"])
def test_a_private_one_admits_all_of_it(where: str) -> None:
    assert all(admitted(address, listening(where)) for address in PRIVATE + FOREIGN)


def test_what_the_operator_says_stays() -> None:
    assert admitted(FOREIGN[0], listening("[::]:53", allow_clients=["2002::/16"]))
    assert Endpoint.parse("[::]:53").is_wildcard
