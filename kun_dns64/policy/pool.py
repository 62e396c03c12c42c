"""Egress pools: which names, or which clients, leave by other gateways."""

from kun_dns64.model.rules import ClientPolicy
from kun_dns64.policy.gateway import Exit
from kun_dns64.policy.prepared import Prepared


def exit_for(name: bytes, client: ClientPolicy | None, prepared: Prepared) -> Exit:
    """A client's forced pool goes before the domain lists. `name`: lower-case wire format; the name as asked counts."""
    if client is not None and client.pool:
        pool: str | None = client.pool
    else:
        table = prepared.rules.pool_of
        pool = table.find(name) if table is not None else None
    return prepared.exits.get(pool or "", prepared.exits[""])
