"""Which client policy a query falls under: by source address, or by EDNS client subnet from a trusted forwarder."""

from kun_dns64.formats.client_subnet import IPNetwork, read_subnet, write_subnet
from kun_dns64.formats.options import CLIENT_SUBNET, find
from kun_dns64.model.message import IPAddress, Query
from kun_dns64.model.rules import ClientPolicy
from kun_dns64.policy.networks import MISS
from kun_dns64.policy.prepared import Prepared


def client_of(query: Query, prepared: Prepared) -> ClientPolicy | None:
    """The first policy whose networks hold the client."""
    if not prepared.clients:
        return None
    index = client_index(query.source, named_subnet(query, prepared), prepared)
    return None if index == MISS else prepared.rules.clients[index]


def client_index(source: IPAddress, subnet: IPNetwork | None, prepared: Prepared) -> int:
    """Index into the rules' clients, or MISS. A subnet counts only where one network holds all of it."""
    return prepared.clients.of(source) if subnet is None else prepared.clients.of_subnet(subnet)


def named_subnet(query: Query, prepared: Prepared) -> IPNetwork | None:
    """The subnet the query names, if its source is trusted to name one (RFC 7871 section 11). Raises ValueError."""
    if query.edns is None or not query.edns.options:
        return None
    data = find(query.edns.options, CLIENT_SUBNET)
    if data is None or prepared.trusted.first(query.source) == MISS:
        return None
    return read_subnet(data)


def answered_subnet(query: Query, prepared: Prepared) -> bytes:
    """The data of the client subnet option in the reply (RFC 7871 section 7.2.2); b"" where a subnet changes nothing.

    The scope is all that was named: a cache in front of us must not give the answer to anybody else.
    """
    if not prepared.clients and not prepared.rules.client_subnet:
        return b""
    try:
        subnet = named_subnet(query, prepared)
    except ValueError:
        return b""
    return b"" if subnet is None else write_subnet(subnet, scope=subnet.prefixlen)
