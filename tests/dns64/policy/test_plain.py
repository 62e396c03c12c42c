"""Whose answers are made byte by byte."""

from ipaddress import ip_address, ip_network

from kun_dns64.model.rules import ClientPolicy
from kun_dns64.policy.plain_query import PlainClients
from kun_dns64.policy.prepared import prepare

from ..world import rules

CLASSES = (
    ClientPolicy("dual", (ip_network("2001:db8:d::/48"),), dns64=False),
    ClientPolicy("usual", (ip_network("2001:db8:e::/48"),)),
)


def test_clients_of_a_class_share_what_the_rules_say_to_them() -> None:
    """There are few classes, and as many addresses as somebody likes to use."""
    clients = PlainClients(prepare(rules(clients=CLASSES)))
    one, other, apart = (clients.of(ip_address(text)) for text in ("2001:db8::1", "2001:db8::2", "2001:db8:e::1"))
    assert one is not None
    assert one is other
    assert apart is not None
    assert apart is not one
    assert clients.of(ip_address("2001:db8:d::1")) is None
    assert clients.of(ip_address("192.0.2.1")) is None, "a stranger"
