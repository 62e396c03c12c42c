"""From what the operator wrote to what the program uses: names become wire format, defaults become values."""

import os
import socket
from dataclasses import replace
from pathlib import Path

from kun_base.admin_access import Access
from kun_base.follow_section import follow_plan
from kun_base.prefix import WELL_KNOWN, Prefix, sixtofour_prefix
from kun_base.version import version
from kun_dns64.config.allowed_clients import allowed_clients
from kun_dns64.config.control_path import control_path
from kun_dns64.config.endpoint import TLS_PORT, Endpoint, UpstreamAddress
from kun_dns64.config.file import (
    LISTEN,
    CacheSection,
    ClientSection,
    ConfigFile,
    Dns64Section,
    MapEntry,
    PoolSection,
    ServerSection,
)
from kun_dns64.config.file_stamp import FileStamp, stamp_of
from kun_dns64.config.load import Loaded
from kun_dns64.config.memory_limit import memory_limit
from kun_dns64.config.network_files import client_sources
from kun_dns64.config.resolvconf import is_local
from kun_dns64.config.settings import (
    Asking,
    CacheLimits,
    ControlSocket,
    Dnstap,
    GatewayWatch,
    Limits,
    Settings,
    TlsListen,
)
from kun_dns64.config.suffixes import wire_suffix
from kun_dns64.config.values import MAX_CHARACTER_STRING, mail_name, parse_cookie_secret
from kun_dns64.formats.names import from_text
from kun_dns64.model.host_address import SixToFourHost
from kun_dns64.model.rules import ClientPolicy, GatewayDown, Mapping, Pool, PtrMode, Rules, Zone, ZoneMode
from kun_dns64.policy.memory_share import default_bytes


def resolve(loaded: Loaded) -> Settings:
    file, folder = loaded.file, loaded.folder
    server = file.server
    secret = server.cookie_secret_file
    listen, notices = _listen(server)
    if loaded.borrowed is not None:
        notices += loaded.borrowed.notices
    return Settings(
        rules=_rules(file, loaded),
        groups=_groups(loaded),
        listen=listen,
        tls=_tls(server, folder),
        admin=file.admin.listen,
        access=_access(file, folder),
        workers=server.workers or len(os.sched_getaffinity(0)),
        limits=_limits(server),
        asking=_asking(file, folder),
        cache=_cache(file.cache),
        gateways=_gateways(file, folder),
        cookie_secret=parse_cookie_secret((folder / secret).read_text()) if secret else None,
        watched=_watched(loaded),
        dnstap=_dnstap(file, folder),
        log_format=server.log_format,
        log_level=server.log_level,
        client_sources=client_sources(file, folder),
        watched_networks=loaded.members.stamps,
        freebind=server.freebind,
        notices=notices,
        written=loaded.written,
        control=ControlSocket(control_path(file.control.socket, folder), file.control.group),
        follow=follow_plan(file.follow, folder, "resolver"),
    )


def _listen(server: ServerSection) -> tuple[tuple[Endpoint, ...], tuple[str, ...]]:
    """Where to listen, and what to say about it: of the defaults [::1] may be missing, as IPv6 is on some machines."""
    listen = tuple(server.listen)
    if listen != LISTEN or is_local(LISTEN[1]):
        return listen, ()
    return LISTEN[:1], (f"this machine has no ::1: {LISTEN[1]} is not listened on",)


def _watched(loaded: Loaded) -> tuple[FileStamp, ...]:
    """Each before it was read; certificates are read when they are served."""
    server, tls = loaded.file.server, loaded.file.server.tls
    own = [loaded.own] if server.watch_config and loaded.own else []
    pair = (tls.certificate, tls.key) if tls is not None else ()
    if loaded.borrowed is not None:
        own.append(loaded.borrowed.stamp)
    return (*own, *loaded.domains.looks, *(stamp_of(loaded.folder / name) for name in pair))


def _limits(server: ServerSection) -> Limits:
    return Limits(
        budget_s=server.budget_s,
        udp_payload_max=server.udp_payload_max,
        rate_per_s=server.rate_limit_per_s,
        client_max_waiting=server.client_max_waiting,
        tcp_idle_s=server.tcp_idle_s,
        tcp_max_connections=server.tcp_max_connections,
        tcp_max_per_client=server.tcp_max_per_client,
    )


def _asking(file: ConfigFile, folder: Path) -> Asking:
    upstream = file.upstream
    return Asking(
        stagger_s=upstream.stagger_ms / 1000,
        case_randomisation=upstream.case_randomisation,
        client_subnet=upstream.client_subnet,
        check_not_dns64=upstream.check_not_dns64,
        max_outstanding=upstream.max_outstanding,
        ca_file=folder / upstream.ca_file if upstream.ca_file else None,
        budget_s=file.server.budget_s,
    )


def _cache(section: CacheSection) -> CacheLimits:
    limits = CacheLimits(**section.model_dump())
    return limits if limits.max_bytes else replace(limits, max_bytes=default_bytes(memory_limit()))


def _dnstap(file: ConfigFile, folder: Path) -> Dnstap | None:
    section = file.dnstap
    if not section.socket and not section.file:
        return None
    return Dnstap(
        socket=folder / section.socket if section.socket else None,
        file=folder / section.file if section.file else None,
        identity=section.identity.encode(),
        client=section.client,
        forwarder=section.forwarder,
        queue_bytes=section.queue_bytes,
    )


def _tls(server: ServerSection, folder: Path) -> TlsListen | None:
    tls = server.tls
    return TlsListen(tuple(tls.listen), folder / tls.certificate, folder / tls.key) if tls and tls.listen else None


def _access(file: ConfigFile, folder: Path) -> Access:
    admin = file.admin
    files = (str(folder / name) if name else "" for name in (admin.token_file, admin.certificate, admin.key))
    return Access(tuple(admin.allow), tuple(admin.names), *files)


def _gateways(file: ConfigFile, folder: Path) -> GatewayWatch:
    urls = {"": tuple(file.dns64.gateway_status), **{pool.name: tuple(pool.gateway_status) for pool in file.pool}}
    ca_file = folder / file.dns64.gateway_ca_file if file.dns64.gateway_ca_file else None
    return GatewayWatch({name: found for name, found in urls.items() if found}, file.dns64.gateway_poll_s, ca_file)


def _groups(loaded: Loaded) -> dict[str, tuple[UpstreamAddress, ...]]:
    file = loaded.file
    groups = {"": tuple(file.upstream.servers) if loaded.borrowed is None else loaded.borrowed.servers}
    groups |= {_zone_group(zone.suffix): tuple(zone.servers) for zone in file.zone if zone.servers}
    return groups | {_pool_group(pool): tuple(pool.servers) for pool in file.pool if pool.servers}


def _zone_group(suffix: str) -> str:
    return f"zone {suffix.lower().rstrip('.')}"


def _pool_group(pool: PoolSection) -> str:
    return f"pool {pool.name}"


def _rules(file: ConfigFile, loaded: Loaded) -> Rules:
    dns64 = file.dns64
    return Rules(
        generation=0,
        prefixes=_prefixes(dns64) or (WELL_KNOWN,),
        exclude_aaaa=tuple(dns64.exclude_aaaa),
        never_embed=tuple(dns64.never_embed),
        mappings=tuple(_mapping(entry) for entry in dns64.map),
        zones=tuple(
            Zone(wire_suffix(zone.suffix), ZoneMode(zone.dns64), _zone_group(zone.suffix) if zone.servers else "")
            for zone in file.zone
        ),
        pools=tuple(
            Pool(pool.name, _prefixes(pool), _pool_group(pool) if pool.servers else "", pool.fallback)
            for pool in file.pool
        ),
        pool_of=loaded.domains.table,
        clients=tuple(_client(client) for client in file.client),
        client_networks=loaded.members.networks,
        allow_clients=allowed_clients(file.server),
        trust_ecs_from=tuple(file.server.trust_ecs_from),
        forwarders=tuple(file.server.forwarders),
        ptr_mode=PtrMode(dns64.ptr_mode),
        strict_dnssec=dns64.strict_dnssec,
        trust_ad=file.upstream.trust_ad,
        shadow=dns64.shadow,
        max_ttl_s=file.cache.max_ttl_s,
        stale_ttl_s=file.cache.stale_ttl_s,
        on_gateway_down=GatewayDown(dns64.on_gateway_down),
        client_subnet=file.upstream.client_subnet,
        local_mname=from_text(dns64.soa_mname),
        local_rname=mail_name(dns64.soa_rname),
        special_names=frozenset(file.server.special_names),
        designated=_designated(file.server),
        identity=_told(file.server.identity),
        version=_told(file.server.version),
    )


def _client(client: ClientSection) -> ClientPolicy:
    """With domains of its own the pool is that of those names alone."""
    domains = {wire_suffix(domain): client.pool for domain in client.domains}
    pool = "" if domains else client.pool
    return ClientPolicy(client.name, tuple(client.networks), client.dns64, client.filter_a, pool, domains)


def _mapping(entry: MapEntry) -> Mapping:
    return Mapping(entry.ipv4, SixToFourHost(entry.host or "embed") if entry.prefix == "6to4" else entry.prefix)


def _designated(server: ServerSection) -> tuple[bytes, ...]:
    """Our own DNS over TLS as SVCB data (RFC 9461 sections 4 to 6): the name, ALPN, the port where it is not 853."""
    tls = server.tls
    if tls is None or not tls.offered_as or not tls.listen:
        return ()
    port = tls.listen[0].port
    params = b"\x00\x01\x00\x04\x03dot" + (b"" if port == TLS_PORT else b"\x00\x03\x00\x02" + port.to_bytes(2))
    return (b"\x00\x01" + from_text(tls.offered_as) + params,)


def _told(text: str) -> str:
    """`{host}` is the name of this host, `{version}` that of the program."""
    if "{" not in text:
        return text
    filled = text.replace("{host}", socket.gethostname()).replace("{version}", version())
    return filled.encode()[:MAX_CHARACTER_STRING].decode(errors="ignore")


def _prefixes(section: Dns64Section | PoolSection) -> tuple[Prefix, ...]:
    return (sixtofour_prefix(section.vip),) if section.vip is not None else tuple(section.prefixes)
