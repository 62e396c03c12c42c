"""Who may ask at all."""

from kun_dns64.model.message import Ede, EdeCode, Query
from kun_dns64.model.question import Rcode
from kun_dns64.model.step import Reply, Rule
from kun_dns64.policy.client import named_subnet
from kun_dns64.policy.networks import MISS
from kun_dns64.policy.prepared import Prepared


def bad_subnet(query: Query, prepared: Prepared) -> Reply | None:
    """FORMERR for a client subnet that is none, from a forwarder trusted to name one (RFC 7871 section 7.1.2)."""
    try:
        named_subnet(query, prepared)
    except ValueError:
        return Reply(Rcode.FORMERR, Rule.MALFORMED)
    return None


def stranger(query: Query, prepared: Prepared) -> Reply | None:
    """REFUSED for a source outside `allow_clients`. The socket's peer counts, no address inside the packet does."""
    if prepared.allowed.first(query.source) != MISS:
        return None
    return Reply(Rcode.REFUSED, Rule.REFUSED_CLIENT, ede=(Ede(EdeCode.PROHIBITED, Rule.REFUSED_CLIENT.value),))
