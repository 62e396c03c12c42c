"""Egress pools: which names, or which clients, leave by other gateways."""

from collections.abc import Mapping

from kun_dns64.model.rules import ClientPolicy
from kun_dns64.policy.gateway import Exit
from kun_dns64.policy.prepared import Prepared


def exit_for(name: bytes, client: ClientPolicy | None, prepared: Prepared) -> Exit:
    """By the client's own domains, then the client's pool, then the pools' domains. `name`: lower-case wire format.

    The name as asked counts. For a client of the followed table the pools are those of the table.
    """
    pool: str | None = None
    if client is not None:
        pool = (_longest(name, client.domains) if client.domains else None) or client.pool
    if not pool and client is not None and client.followed:
        pool = (_longest(name, client.pool_domains) if client.pool_domains else None) or client.default_pool
    elif not pool:
        table = prepared.rules.pool_of
        pool = table.find(name) if table is not None else None
    return prepared.exits.get(pool or "", prepared.exits[""])


def _longest(name: bytes, domains: Mapping[bytes, str]) -> str | None:
    """The pool of the longest suffix."""
    place = 0
    while length := name[place]:
        pool = domains.get(name[place:])
        if pool is not None:
            return pool
        place += 1 + length
    return domains.get(b"\x00")
