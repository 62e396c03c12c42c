"""How many sessions one client may hold (RFC 6888 REQ-4): who holds too many, and the rules that stop him.

Nothing in the kernel can count Jool's sessions: it takes packets before conntrack confirms them, so connlimit counts
none. Jool itself can be told, by the packet's mark, where a client's new ports come from; what a client has already is
found before that is asked. So a client with too many sessions gets a mark whose pool has one port, on an address that
no packet comes back to: his flows go on, all protocols alike, and new ones find no port.
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
    """The clients that the rules name now: who is limited is the running agent's to say."""
    rules = [rule for fact in observed if isinstance(fact, Chain) and fact.name == CHAIN for rule in fact.rules]
    named = (IPv6Network(found[1]) for rule in rules if (found := CLIENT.match(rule)))
    return tuple(one for one in named if limit.sessions and one.prefixlen == limit.length)


def limit_facts(spec: AgentSpec, clients: Iterable[IPv6Network]) -> Iterator[Fact]:
    """The chain is there while there is a limit, empty or not, so that a look changes a chain and not the way to it.

    The one port goes when nobody is limited: the flow that got it would stay on it, unanswered, while it sends.
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
