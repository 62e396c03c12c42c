"""What `explain` says of one IPv6 destination: what it embeds, and whether a pod's packet for it is let through."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address

from kun_nat64.model.spec import AgentSpec
from kun_nat64.model.traffic import Binding, Session, Traffic
from kun_nat64.policy.ruleset import denied_networks


@dataclass(frozen=True, slots=True)
class Explanation:
    """`ipv4` None: outside the prefix. `denied_by`: the network that keeps it from being reached."""

    destination: IPv6Address
    ipv4: IPv4Address | None
    denied_by: IPv4Network | None = None
    sessions: tuple[Session, ...] = ()
    bindings: tuple[Binding, ...] = ()

    @property
    def reachable(self) -> bool:
        return self.ipv4 is not None and self.denied_by is None


def explain(destination: IPv6Address, spec: AgentSpec, traffic: Traffic) -> Explanation:
    ipv4 = spec.gateway.pool6.extract(destination)
    if ipv4 is None:
        return Explanation(destination, None)
    reason = next((network for network in denied_networks(spec) if ipv4 in network), None)
    sessions = tuple(one for one in traffic.sessions if one.target.address == destination)
    ends = {(one.protocol, one.inside) for one in sessions}
    bindings = tuple(one for one in traffic.bindings if (one.protocol, one.inside) in ends)
    return Explanation(destination, ipv4, reason, sessions, bindings)
