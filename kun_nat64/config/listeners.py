"""Whether the admin listeners can be opened, and whether the gateways of a fleet can reach each other by them."""

from collections.abc import Iterator
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from kun_base.admin_files import file_problem, pair_problem
from kun_base.errors import Fault
from kun_base.partial import entries
from kun_nat64.config.file import AdminSection, FleetSection
from kun_nat64.config.values import Listen
from kun_nat64.model.spec import AgentSpec
from kun_nat64.policy.explain import chosen_by


def pair(admin: AdminSection) -> Iterator[Fault]:
    if admin.key and not admin.certificate:
        yield Fault("admin.key", repr(admin.key), "needs admin.certificate as well")
    if admin.certificate and not admin.key:
        yield Fault("admin.certificate", repr(admin.certificate), "needs admin.key as well")


def addresses(admin: AdminSection, fleet: FleetSection) -> Iterator[Fault]:
    one, other = admin.listen, fleet.listen
    if not isinstance(other, Listen) or one == other or one.port != other.port or one.port == 0:
        return
    first, second = ip_address(one.host), ip_address(other.host)
    if first.version == second.version and (first.is_unspecified or second.is_unspecified):
        yield Fault(
            "fleet.listen", repr(str(other)), f"takes the port of admin.listen = {str(one)!r}: give one of them"
        )


def hosts(admin: AdminSection | None, fleet: FleetSection | None) -> Iterator[tuple[str, IPv4Address | IPv6Address]]:
    """Addresses of admin pages, of this gateway and of the others, and of the ring, by their keys."""
    listening = (("admin.listen", getattr(admin, "listen", "")), ("fleet.listen", getattr(fleet, "listen", "")))
    yield from ((key, ip_address(one.host)) for key, one in listening if isinstance(one, Listen))
    for place, url in entries(getattr(fleet, "members", ())):
        with suppress(ValueError):  # a name
            yield f"fleet.members[{place}]", ip_address(urlsplit(url).hostname or "")
    if isinstance(own := getattr(fleet, "ring_address", ""), IPv4Address):
        yield "fleet.ring_address", own
    yield from ((f"fleet.ring_members[{place}]", one) for place, one in entries(getattr(fleet, "ring_members", ())))


def notes(spec: AgentSpec) -> Iterator[str]:
    """What is no fault of the file, and will not work as it is meant: from the file and this machine's files alone."""
    yield from _one_armed(spec)
    yield from _unreachable(spec)
    yield from _not_admitted(spec)
    yield from _unreadable(spec)
    yield from _unpaired(spec)


def _one_armed(spec: AgentSpec) -> Iterator[str]:
    """One interface for both sides is a good design, and has to be meant: protocol 41 is not let in from outside."""
    gateway, bgp = spec.gateway, spec.bgp
    if gateway.one_armed or gateway.is_native:
        return
    if gateway.uplink == gateway.outside:
        why = f"gateway.uplink and gateway.outside are both {gateway.outside}"
    elif any(bgp.next_hop == entry.address for entry in spec.nat64.pool4):
        why = f"bgp.next_hop {bgp.next_hop} is an address of nat64.pool4, so nodes may come in by {gateway.outside}"
    else:
        return
    yield f"{why}, where protocol 41 is dropped: [gateway] one_armed = true lets pods' packets in there"


def _unreachable(spec: AgentSpec) -> Iterator[str]:
    """The others ask us as we ask them; who is not answered counts this gateway as gone."""
    hosts = [spec.admin.host, *([spec.fleet.listen[0]] if spec.fleet.listen else [])]
    if spec.fleet.members and all(ip_address(host).is_loopback for host in hosts):
        own = spec.bgp.next_hop or f"[{spec.bgp.next_hop6}]"
        yield (
            f"fleet.members names other gateways, and they cannot ask this one: it listens on {hosts[0]} only; "
            f'[fleet] listen = "{own}:{spec.admin.port}" lets them'
        )


def _not_admitted(spec: AgentSpec) -> Iterator[str]:
    encrypted = bool(spec.admin.access.certificate)
    for place, url in enumerate(spec.fleet.members):
        parts = urlsplit(url)
        if (parts.scheme == "https") != encrypted:
            scheme = "https" if encrypted else "http"
            yield f"fleet.members[{place}] is {url}, but this gateway itself speaks {scheme}: check which is right"
        try:
            address = ip_address((parts.hostname or "").partition("%")[0])
        except ValueError:
            continue
        if address.is_loopback:
            yield f"fleet.members[{place}] is {url}, an address of this machine itself"
        elif not any(address in network for network in spec.admin.access.allow):
            yield f"fleet.members[{place}] is {url}, which is in no network of admin.allow: it cannot ask this gateway"


def _unpaired(spec: AgentSpec) -> Iterator[str]:
    """RFC 4787 REQ-2: a pod has one public address. Jool looks for ports from a place that f-args hashes."""
    addresses = {entry.address for entry in spec.nat64.pool4}
    by = [what for what in chosen_by(spec) if what != "source address"]
    if len(addresses) > 1 and by:
        yield (
            f"nat64.globals.f-args spreads the flows of one pod over {len(addresses)} public addresses, by its "
            f"{', '.join(by)}: servers that expect one address of a client refuse it (RFC 4787 REQ-2); 8 keeps one"
        )


def _unreadable(spec: AgentSpec) -> Iterator[str]:
    access = spec.admin.access
    if access.token_file and (problem := file_problem(access.token_file)):
        yield f"admin.token_file {access.token_file} {problem}"
    if access.certificate and (problem := pair_problem(access.certificate, access.key)):
        yield f"admin.certificate {access.certificate} {problem}"
