"""Which NAT64 prefix a DNS server gives out, as its clients find it: AAAA of ipv4only.arpa (RFC 7050 section 3)."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network

import dns.exception
import dns.message
import dns.query
import dns.rdatatype

from kun_base.prefix import LENGTHS, Prefix
from kun_dns64.config.endpoint import Endpoint

NAME = "ipv4only.arpa."
WELL_KNOWN = (IPv4Address("192.0.0.170"), IPv4Address("192.0.0.171"))
ANSWER_S = 3.0


def ask_prefixes(server: Endpoint) -> tuple[Prefix, ...]:
    """Raises OSError when the server does not answer."""
    query = dns.message.make_query(NAME, dns.rdatatype.AAAA)
    try:
        reply, _ = dns.query.udp_with_fallback(query, server.host, ANSWER_S, server.port)
    except dns.exception.DNSException as error:
        raise OSError(f"{server} does not answer: {error or type(error).__name__}") from error
    records = (record for rrset in reply.answer if rrset.rdtype == dns.rdatatype.AAAA for record in rrset)
    return prefixes_in(IPv6Address(record.address) for record in records)


def prefixes_in(addresses: Iterable[IPv6Address]) -> tuple[Prefix, ...]:
    """Every prefix under which one of the addresses is a well-known IPv4 address and nothing else, in their order."""
    found: dict[Prefix, None] = {}
    for address in addresses:
        for length in LENGTHS:
            network = IPv6Network((address, length), strict=False)
            # Bits 64 to 71 set: no prefix of ours or anybody's (RFC 6052 section 2.2).
            if network.network_address.packed[8]:
                continue
            prefix = Prefix(network)
            if any(prefix.embed(ipv4) == address for ipv4 in WELL_KNOWN):
                found[prefix] = None
    return tuple(found)
