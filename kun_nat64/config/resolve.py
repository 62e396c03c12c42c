"""From the file as written to the values the program works with."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from pathlib import Path
from urllib.parse import urlsplit

from kun_base.admin_access import Access
from kun_base.follow_section import follow_plan
from kun_base.prefix import sixtofour_prefix
from kun_base.table_follower import FollowPlan
from kun_nat64.config.file import (
    AdminSection,
    AuditSection,
    BgpSection,
    ConfigFile,
    FleetSection,
    GatewaySection,
    HealthSection,
    Nat64Section,
    PeerEntry,
    PoolEntry,
    TenantEntry,
)
from kun_nat64.config.insidecheck import LONGEST_FOR_PROBES
from kun_nat64.config.sessionplace import beside
from kun_nat64.config.values import Listen
from kun_nat64.model.audit import Timeouts
from kun_nat64.model.clients import NO_CLIENTS, Client, Clients
from kun_nat64.model.joolfacts import Protocol
from kun_nat64.model.joolglobals import SETTINGS, canonical, class_settings, time_text
from kun_nat64.model.ringfacts import RingSpec
from kun_nat64.model.speakers import SPEAKERS
from kun_nat64.model.spec import (
    AdminSpec,
    AgentSpec,
    AuditSpec,
    BgpSpec,
    DrainSpec,
    FleetSpec,
    GatewaySpec,
    GuardSpec,
    HealthSpec,
    Inside,
    Limit,
    LogSpec,
    Nat64Spec,
    Peer,
    PoolRange,
    Tenant,
)
from kun_nat64.policy.table_guard import GatewayBounds
from kun_nat64.policy.tenantnumbers import number_of_name

# Jool itself needs none of them (it translates before routing): they are for ICMP errors and packets it hands back.
# rp_filter 2 is loose: the larger of `all` and the interface's counts, and strict drops asymmetric outer sources.
MB = 1_000_000
SYSCTLS = {
    "net.ipv4.ip_forward": "1",
    "net.ipv6.conf.all.forwarding": "1",
    "net.ipv4.conf.all.rp_filter": "2",
    "net.ipv4.conf.all.send_redirects": "0",
}


def resolve(file: ConfigFile, source: str, kernel: tuple[int, ...] = ()) -> AgentSpec:
    """`kernel`: version of the one that the gateway runs."""
    return AgentSpec(
        gateway=_gateway(file.gateway, file.nat64),
        nat64=_nat64(file.nat64, kernel),
        bgp=_bgp(file.bgp, file.gateway, file.nat64),
        health=_health(file.health, file.gateway),
        fleet=replace(_fleet(file.fleet), ring=_ring(file)),
        guard=GuardSpec(file.guard.max_removals, file.guard.never_withdraw_last),
        drain=DrainSpec(file.drain.grace_s, file.drain.tcp_sessions_left, file.drain.med),
        admin=_admin(file.admin),
        audit=_audit(file.audit, file.nat64),
        log=LogSpec(file.log.level, file.log.format == "json"),
        tenants=tuple(map(_tenant, file.tenant)),
        clients=_clients(file.tenant),
        follow=_follow(file, Path(source).parent),
        source=source,
    )


def _ring(file: ConfigFile) -> RingSpec | None:
    fleet, own = file.fleet, ring_address(file.fleet, file.bgp)
    members = ring_members(fleet, own)
    possible = bool(members) and file.nat64.reset_orphans
    if not (possible if fleet.ring == "auto" else fleet.ring):
        return None
    # Native packets come without the outer header that the ring's tunnels add.
    header = 20 if file.gateway.inside == "native" else 0
    return RingSpec(own, members, file.gateway.inside_mtu - header, fleet.ring_flows_per_s)


def ring_address(fleet: FleetSection, bgp: BgpSection) -> IPv4Address:
    """Return this gateway's end of the ring's tunnels."""
    return fleet.ring_address or bgp.next_hop or bgp.router_id


def ring_members(fleet: FleetSection, own: IPv4Address) -> tuple[IPv4Address, ...]:
    """Return the others' ends in order: `ring_members`, else the IPv4 addresses in the URLs of `members`."""
    named = fleet.ring_members or tuple(filter(None, map(_ipv4_host, fleet.members)))
    return tuple(sorted({*named} - {own}))


def _ipv4_host(url: str) -> IPv4Address | None:
    try:
        return IPv4Address(urlsplit(url).hostname or "")
    except ValueError:
        return None


def _gateway(section: GatewaySection, nat64: Nat64Section) -> GatewaySpec:
    pool6 = nat64.pool6 or (sixtofour_prefix(section.vip) if section.vip else None)
    assert pool6 is not None, "the checks ask for one of them"
    native = section.inside == "native"
    return GatewaySpec(
        name=section.name,
        vip=section.vip,
        pool6=pool6,
        outside=section.outside,
        one_armed=section.one_armed,
        tunnel=section.tunnel,
        inside_mtu=section.inside_mtu,
        outside_mtu=section.outside_mtu,
        mss=_most_that_fits(section) if section.mss == "auto" else section.mss,
        mss_auto=section.mss == "auto",
        clients=tuple(one for one in section.clients if isinstance(one, IPv4Network)),
        pods=tuple(one for one in section.clients if isinstance(one, IPv6Network)),
        inside=Inside(section.inside),
        never_reach=section.never_reach,
        routes=() if native else section.routes,
        sysctls=tuple(sorted({**SYSCTLS, **section.sysctls}.items())),
        manage_modules=section.manage_modules,
        check_source=section.check_source,
        observe_s=section.observe_s,
        uplink=section.uplink,
        near_by_router=section.near_by_router and not native,
    )


def _nat64(section: Nat64Section, kernel: tuple[int, ...]) -> Nat64Spec:
    return Nat64Spec(
        instance=section.instance,
        pool4=tuple(map(_range, section.pool4)),
        globals=_globals(section, kernel),
        session_poll_s=section.session_poll_s,
        limit=Limit(section.sessions_per_client, section.client_length),
        reset_orphans=section.reset_orphans,
        reset_orphans_flows=section.reset_orphans_flows,
        new_flows_s=section.new_flows_per_client_s,
    )


def _follow(file: ConfigFile, folder: Path) -> FollowPlan | None:
    plan = follow_plan(file.follow, folder, "gateway")
    if plan is None:
        return None
    bounds = GatewayBounds(plan.bounds.clients, plan.bounds.percent, file.gateway.name, file.guard.max_removals)
    return replace(plan, bounds=bounds)


def _range(entry: PoolEntry) -> PoolRange:
    return PoolRange(entry.address, entry.ports.first, entry.ports.last, tuple(map(Protocol, entry.protocols)))


def _tenant(entry: TenantEntry) -> Tenant:
    return Tenant(
        name=entry.name,
        number=entry.mark or number_of_name(entry.name),
        pool4=tuple(map(_range, entry.pool4)),
        max_sessions=entry.max_sessions,
        deny=entry.deny,
    )


def _clients(tenants: tuple[TenantEntry, ...]) -> Clients:
    networks: dict[int, dict[int, Client]] = {}
    for tenant in tenants:
        for network in tenant.networks:
            networks.setdefault(network.prefixlen, {})[int(network.network_address)] = Client(tenant.name)
    return Clients(networks) if networks else NO_CLIENTS


def _fleet(section: FleetSection) -> FleetSpec:
    listen = (section.listen.host, section.listen.port) if isinstance(section.listen, Listen) else None
    return FleetSpec(section.members, section.poll_s, section.timeout_s, listen, section.ca_file)


def _admin(section: AdminSection) -> AdminSpec:
    access = Access(section.allow, section.names, section.token_file, section.certificate, section.key)
    return AdminSpec(section.listen.host, section.listen.port, access)


def _audit(section: AuditSection, nat64: Nat64Section) -> AuditSpec:
    log = nat64.session_log
    return AuditSpec(
        log=log,
        log_limit=section.log_max_mb * MB,
        database=section.database or beside(log),
        database_limit=section.database_max_mb * MB,
        keep_s=section.keep_days * 86400.0,
        timeouts=Timeouts(nat64.tcp_established_s, nat64.tcp_transitory_s, nat64.udp_s, nat64.icmp_s),
    )


def _globals(section: Nat64Section, kernel: tuple[int, ...]) -> tuple[tuple[str, str], ...]:
    """Every setting that matters, explicitly: what is not told to Jool would be its default, and drift unseen."""
    wanted = {name: setting.wanted for name, setting in SETTINGS.items() if setting.wanted}
    wanted |= class_settings(kernel)
    wanted |= {name: canonical(name, value) for name, value in section.globals.items()}
    wanted |= {
        "tcp-est-timeout": time_text(section.tcp_established_s),
        "tcp-trans-timeout": time_text(section.tcp_transitory_s),
        "udp-timeout": time_text(section.udp_s),
        "icmp-timeout": time_text(section.icmp_s),
        "lowest-ipv6-mtu": str(section.lowest_ipv6_mtu),
    }
    return tuple(sorted(wanted.items()))


def _bgp(section: BgpSection, gateway: GatewaySection, nat64: Nat64Section) -> BgpSpec:
    usual = SPEAKERS[section.speaker]
    return BgpSpec(
        speaker=section.speaker,
        api=section.api or usual.api,
        local_as=section.local_as,
        router_id=section.router_id,
        next_hop=section.next_hop or section.router_id,
        next_hop6=section.next_hop6,
        peers=tuple(map(_peer, section.peers)),
        med=section.med,
        soft_fail_med=section.soft_fail_med,
        communities=tuple(sorted(set(section.communities))),
        prefixes=_announced(section, gateway, nat64),
        observe_s=section.observe_s,
        manage_daemon=section.manage_daemon,
        daemon_file=section.daemon_file or usual.daemon_file,
        paths_file=section.paths_file or usual.paths_file,
    )


def _announced(
    section: BgpSection, gateway: GatewaySection, nat64: Nat64Section
) -> tuple[IPv4Network | IPv6Network, ...]:
    pool6 = (nat64.pool6.network,) if nat64.pool6 and gateway.inside == "native" else ()
    vip = (IPv4Network(gateway.vip),) if gateway.vip else ()
    return (*pool6, *vip, *section.prefixes)


def _peer(entry: PeerEntry) -> Peer:
    return Peer(
        address=entry.address,
        asn=entry.asn,
        hold_s=entry.hold_s,
        password_file=entry.password_file,
        bfd=entry.bfd,
        ttl_security=entry.ttl_security,
        communities=tuple(sorted(set(entry.communities))),
    )


def _health(section: HealthSection, gateway: GatewaySection) -> HealthSpec:
    return HealthSpec(
        interval_s=section.interval_s,
        timeout_s=section.timeout_s,
        fall=section.fall,
        rise=section.rise,
        targets=section.targets,
        quorum=section.quorum,
        hold_down_s=section.hold_down_s,
        hold_down_max_s=section.hold_down_max_s,
        flap_memory_s=section.flap_memory_s,
        pool_limit=section.pool_limit,
        pool_forecast_s=section.pool_forecast_s,
        # Two gateways of one machine (a laboratory) share the folder of namespace names.
        probe_netns=section.probe_netns or f"kun-probe-{gateway.name}",
        probe_link=section.probe_link,
        probe_network=section.probe_network,
        probe_node=_probe_node(section, gateway),
        probe_pods=_probe_pods(section, gateway),
        by_router=section.way_back == "router",
    )


def _most_that_fits(section: GatewaySection) -> int:
    """The MSS that fits any link of these sizes, also one that carries the tunnel: less 20, 40 and 20 bytes."""
    headers = 60 if section.inside == "native" else 80
    return min(section.outside_mtu, section.inside_mtu) - headers


def _probe_node(section: HealthSection, gateway: GatewaySection) -> IPv4Address | None:
    if isinstance(section.probe_node, IPv4Address):
        return section.probe_node
    nodes = [one for one in gateway.clients if isinstance(one, IPv4Network)]
    return last_host(nodes[0]) if nodes else None


def _probe_pods(section: HealthSection, gateway: GatewaySection) -> IPv6Network | None:
    """A /64 that probes come from: that of the node that is named, or the last one of `clients`; or a smaller one."""
    if gateway.inside != "native":
        return None
    networks = [one for one in gateway.clients if isinstance(one, IPv6Network) and one.prefixlen <= LONGEST_FOR_PROBES]
    node = section.probe_node or networks[0].broadcast_address
    length = max(64, min(one.prefixlen for one in networks if node in one))
    return IPv6Network((int(node), length), strict=False)


def last_host(network: IPv4Network) -> IPv4Address:
    """An address among the nodes that hardly any node has."""
    return network.network_address if network.prefixlen > 30 else network.broadcast_address - 1
