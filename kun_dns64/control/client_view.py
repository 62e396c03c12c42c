"""Say how queries of one client address are treated: allowed, which class, which pool."""

from ipaddress import IPv4Address, IPv6Address
from typing import Any

from kun_dns64.model.rules import Rules
from kun_dns64.policy.client import client_index
from kun_dns64.policy.networks import MISS
from kun_dns64.policy.prepared import prepare


def client_view(address: IPv4Address | IPv6Address, rules: Rules, who: dict[str, str] | None = None) -> dict[str, Any]:
    """Return the client's class by its source address; EDNS client subnet is not considered. `who`: by the table."""
    prepared = prepare(rules)
    index = client_index(address, None, prepared)
    policy = None if index == MISS else rules.clients[index]
    return {
        "client": str(address),
        "allowed": prepared.allowed.first(address) != MISS,
        "may_name_clients": prepared.trusted.first(address) != MISS,
        "class": who["class"] if who is not None else policy.name if policy else None,
        "dns64": policy.dns64 if policy else True,
        "filter_a": policy.filter_a if policy else False,
        "pool": (policy.pool if policy else "") or "by name",
        "followed": who,
    }
