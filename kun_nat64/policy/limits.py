"""The limit of sessions of one client (RFC 6888 REQ-4): the clients above it, and the rules that stop them.

The kernel cannot count Jool's sessions: Jool takes packets before conntrack confirms them, so connlimit counts none.
But the packet's mark selects the pool4 entries for a new flow, and Jool looks for an existing binding before it uses
them. So a client with too many sessions gets a mark whose pool has one port, on an address to which no packet returns.
Its flows of all protocols continue, and new ones find no port.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv6Network

from kun_nat64.model.facts import MARK, Chain, Fact, Facts, Family, Pool4, Rule
from kun_nat64.model.joolfacts import LIMIT_MARK, Protocol
from kun_nat64.model.spec import AgentSpec, Limit

CHAIN = "KUN-NAT64-LIMIT"
CLIENT = re.compile(r"-s ([0-9a-f:]+/\d+) ")
# RFC 7600 section 4.8, the IPv4 dummy address: nobody answers it.
DUMMY = IPv4Address("192.0.0.8")
# A client that is at the limit stays limited until it holds so much of it: else it would change with every look.
RELEASED_BELOW = 0.9


def limited(held: Mapping[int, int], before: Iterable[IPv6Network], limit: Limit) -> dict[IPv6Network, int]:
    """Clients that may have no new ports, with the sessions they hold. `held`: sessions by inside address."""
    if not limit.sessions:
        return {}
    shift = 128 - limit.length
    counts: Counter[int] = Counter()
    for address, count in held.items():
        counts[address >> shift] += count
    still = {int(network.network_address) >> shift for network in before}
    release = int(limit.sessions * RELEASED_BELOW)
    return {
        IPv6Network((number << shift, limit.length)): count
        for number, count in sorted(counts.items())
        if count >= limit.sessions or (number in still and count > release)
    }


def in_force(observed: Facts, limit: Limit) -> tuple[IPv6Network, ...]:
    """Return the clients that the present rules limit: only the running agent decides that."""
    rules = [rule for fact in observed if isinstance(fact, Chain) and fact.name == CHAIN for rule in fact.rules]
    named = (IPv6Network(found[1]) for rule in rules if (found := CLIENT.match(rule)))
    return tuple(one for one in named if limit.sessions and one.prefixlen == limit.length)


def limit_facts(spec: AgentSpec, clients: Iterable[IPv6Network]) -> Iterator[Fact]:
    """Return the chain and the pool4 port of the limit.

    The chain exists while a limit is configured, even if empty, so only its rules change. The port is removed when no
    client is limited: otherwise the flow that got it would keep it, without answers, while it sends.
    """
    clients = sorted(clients)
    if not spec.nat64.limit.sessions:
        return
    comment = f"-m comment --comment {MARK}"
    yield Rule(Family.IPV6, "mangle", "PREROUTING", f"-i {spec.gateway.inside_link} {comment} -j {CHAIN}")
    marks = (f"-s {one} -j MARK --set-xmark {LIMIT_MARK:#x}/0xffffffff" for one in clients)
    yield Chain(Family.IPV6, "mangle", CHAIN, tuple(marks))
    if clients:
        yield from dead_end(spec.nat64.instance)


def dead_end(instance: str) -> Iterator[Pool4]:
    """The one port that packets with LIMIT_MARK may have."""
    return (Pool4(instance, protocol, DUMMY, 1, 1, LIMIT_MARK) for protocol in Protocol)
