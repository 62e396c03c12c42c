"""The verdicts of `explain` for an IPv6 destination and a sending pod, with their reasons."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from kun_base.prefix import WELL_KNOWN, sixtofour_network
from kun_base.special_ipv4 import without_global
from kun_nat64.model.clients import NOBODY, Client
from kun_nat64.model.joolglobals import SETTINGS
from kun_nat64.model.spec import AgentSpec
from kun_nat64.model.traffic import Binding, Session, Traffic
from kun_nat64.policy.port_use import EVERYBODY
from kun_nat64.policy.ruleset import NEVER, own_addresses
from kun_nat64.policy.tenants import tenant_of

SIXTOFOUR = IPv6Network("2002::/16")
LOCAL_USE = IPv6Network("64:ff9b:1::/48")
# Bits of Jool's f-args: what of a packet decides where the search for a port of pool4 begins (RFC 6056 section 3.3.3).
HASHED = {8: "source address", 4: "source port", 2: "destination address", 1: "destination port"}


class Denied(StrEnum):
    """Why a destination is dropped before translation."""

    LISTED = "gateway.never_reach"
    NEVER = "not a destination outside: this network, loopback, multicast or reserved"
    OWN = "an address of the gateways themselves"


class Outsider(StrEnum):
    """The kind of an address outside the prefix."""

    SIXTOFOUR_OF_VIP = "in the 6to4 network of the VIP, but not in its NAT64 prefix"
    SIXTOFOUR = "6to4 of another IPv4 address: a node, or the VIP of another egress pool"
    WELL_KNOWN = "the well-known NAT64 prefix (RFC 6052): the DNS64 that gave it does not know these gateways"
    LOCAL_USE = "in the local-use NAT64 prefix (RFC 8215): the DNS64 that gave it does not know these gateways"
    OTHER = "plain IPv6: it needs no translation"


@dataclass(frozen=True, slots=True)
class Sender:
    """A pod. `node` is the outer IPv4 source that its 6to4 address names, None for other addresses.

    `dropped`: why its packets are, "" if they are not. `sessions`: it holds so many, counted as `client`, and may hold
    `most` of them (0: any number). `owner`: of the public ports that it gets, "" for everybody's. `who`: whose it is.
    """

    address: IPv6Address
    node: IPv4Address | None
    dropped: str
    client: IPv6Network
    sessions: int
    most: int
    bindings: tuple[Binding, ...]
    owner: str = ""
    who: Client = NOBODY


@dataclass(frozen=True, slots=True)
class Explanation:
    """`ipv4` None: outside the prefix, and `outsider` says what it is. `denied_by`: the network that is not reached."""

    destination: IPv6Address
    ipv4: IPv4Address | None
    outsider: Outsider | None = None
    denied_by: IPv4Network | None = None
    denied: Denied | None = None
    sender: Sender | None = None
    sessions: tuple[Session, ...] = ()
    bindings: tuple[Binding, ...] = ()

    @property
    def owner(self) -> str:
        """Return the owner of the public ports for a new flow."""
        return self.sender.owner if self.sender else EVERYBODY

    @property
    def reachable(self) -> bool:
        return self.ipv4 is not None and self.denied is None and not (self.sender and self.sender.dropped)


def explain(
    destination: IPv6Address,
    spec: AgentSpec,
    traffic: Traffic,
    sender: IPv6Address | None = None,
    own: Collection[IPv4Address] = (),
) -> Explanation:
    """With a `sender`, only its own sessions and bindings. `own`: the addresses of this machine."""
    by = None if sender is None else explain_sender(sender, spec, traffic)
    ipv4 = spec.gateway.pool6.extract(destination)
    if ipv4 is None:
        return Explanation(destination, None, outsider(destination, spec), sender=by)
    network, denied = next(_denials(ipv4, spec, own), (None, None))
    sessions = tuple(
        one for one in traffic.sessions if one.target.address == destination and sender in (None, one.inside.address)
    )
    ends = {(one.protocol, one.inside) for one in sessions}
    bindings = tuple(one for one in traffic.bindings if (one.protocol, one.inside) in ends)
    return Explanation(destination, ipv4, None, network, denied, by, sessions, bindings)


def _denials(ipv4: IPv4Address, spec: AgentSpec, own: Collection[IPv4Address]) -> Iterator[tuple[IPv4Network, Denied]]:
    """The networks that policy/ruleset.py denies, with the key or list that names them."""
    listed = (
        network for network in spec.gateway.never_reach if any(ipv4 in part for part in without_global((network,)))
    )
    yield from ((network, Denied.LISTED) for network in listed)
    yield from ((network, Denied.NEVER) for network in NEVER if ipv4 in network)
    if ipv4 in own_addresses(spec) or ipv4 in own:
        yield IPv4Network(ipv4), Denied.OWN


def outsider(address: IPv6Address, spec: AgentSpec) -> Outsider:
    if spec.gateway.is_native:
        known = {WELL_KNOWN.network: Outsider.WELL_KNOWN, LOCAL_USE: Outsider.LOCAL_USE}
        return next((one for network, one in known.items() if address in network), Outsider.OTHER)
    if address in sixtofour_network(spec.gateway.tunnel_end):
        return Outsider.SIXTOFOUR_OF_VIP
    if address in SIXTOFOUR:
        return Outsider.SIXTOFOUR
    if address in WELL_KNOWN.network:
        return Outsider.WELL_KNOWN
    return Outsider.LOCAL_USE if address in LOCAL_USE else Outsider.OTHER


def explain_sender(address: IPv6Address, spec: AgentSpec, traffic: Traffic) -> Sender:
    limit = spec.nat64.limit
    who, tenant = tenant_of(spec, address)
    client = IPv6Network((address, limit.length), strict=False)
    return Sender(
        address=address,
        node=None if spec.gateway.is_native else address.sixtofour,
        dropped=_dropped(address, spec) or (f"tenant {tenant.name} is denied" if tenant and tenant.deny else ""),
        client=client,
        sessions=sum(one.inside.address in client for one in traffic.sessions),
        most=limit.sessions,
        bindings=tuple(one for one in traffic.bindings if one.inside.address == address),
        owner=tenant.name if tenant and tenant.pool4 else EVERYBODY,
        who=who or NOBODY,
    )


def _dropped(address: IPv6Address, spec: AgentSpec) -> str:
    """The kernel checks that the outer source is the one that a 6to4 source names (RFC 3964 section 5.1)."""
    if spec.gateway.is_native:
        known = any(address in network for network in spec.gateway.pods)
        return "" if known else f"{address} is in none of gateway.clients"
    node = address.sixtofour
    if node is None:
        return f"{address} is no 6to4 address (gateway.check_source)" if spec.gateway.check_source else ""
    if not any(node in network for network in spec.gateway.clients):
        return f"protocol 41 from {node} is not permitted (gateway.clients)"
    return ""


def chosen_by(spec: AgentSpec) -> tuple[str, ...]:
    """Return the fields that choose among several public addresses for a new binding; () for none."""
    bits = int(dict(spec.nat64.globals).get("f-args") or SETTINGS["f-args"].wanted)
    return tuple(name for bit, name in HASHED.items() if bits & bit)
