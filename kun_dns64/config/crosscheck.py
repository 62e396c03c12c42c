"""What several keys say together, as a list of faults."""

import difflib
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address
from pathlib import Path

from kun_base.errors import Fault
from kun_base.prefix import Prefix, prefix_problem, vip_problem
from kun_dns64.config.endpoint import Scheme, UpstreamAddress
from kun_dns64.config.file import ConfigFile
from kun_dns64.config.named_files import file_faults
from kun_dns64.config.suffixes import suffix_faults, wire_suffix
from kun_dns64.policy.gateway import DEFAULT


def faults_of(config: ConfigFile, folder: Path) -> list[Fault]:
    """Every fault; relative paths are below `folder`. Empty: the configuration can be used."""
    checks = (_exits, _listening, _loops, _names, _references, _timing)
    found = [fault for check in checks for fault in check(config)]
    return found + list(file_faults(config, folder))


def _exits(config: ConfigFile) -> Iterator[Fault]:
    """The ways out: VIPs and prefixes of the default pool and of the others."""
    allow = config.dns64.allow_nonglobal_vip
    yield from _vip_or_prefixes("dns64", config.dns64.vip, config.dns64.prefixes, allow)
    for index, pool in enumerate(config.pool):
        yield from _vip_or_prefixes(f"pool[{index}]", pool.vip, pool.prefixes, allow)
        if pool.vip is None and not pool.prefixes:
            yield Fault(f"pool[{index}]", repr(pool.name), "wants a vip, or prefixes")
    mapped = ((f"dns64.map[{place}].prefix", entry.prefix) for place, entry in enumerate(config.dns64.map))
    yield from _unusable(((where, prefix) for where, prefix in mapped if prefix is not None), allow)


def _vip_or_prefixes(where: str, vip: IPv4Address | None, prefixes: list[Prefix], allow: bool) -> Iterator[Fault]:
    if vip is not None and prefixes:
        yield Fault(f"{where}.vip", repr(str(vip)), f"stands beside {where}.prefixes: give one of the two")
    if vip is not None and (problem := vip_problem(vip, allow_nonglobal=allow)):
        yield Fault(f"{where}.vip", repr(str(vip)), f"{problem}; allow_nonglobal_vip = true admits it")
    yield from _twice(f"{where}.prefixes", (str(prefix) for prefix in prefixes))
    yield from _unusable(((f"{where}.prefixes[{place}]", prefix) for place, prefix in enumerate(prefixes)), allow)


def _unusable(prefixes: Iterable[tuple[str, Prefix]], allow: bool) -> Iterator[Fault]:
    for where, prefix in prefixes:
        if problem := prefix_problem(prefix, allow_nonglobal=allow):
            yield Fault(where, repr(str(prefix)), problem)


def _listening(config: ConfigFile) -> Iterator[Fault]:
    yield from _twice("server.listen", (str(endpoint) for endpoint in config.server.listen if endpoint.port))
    admin = config.admin.listen
    dns = [*config.server.listen, *(config.server.tls.listen if config.server.tls else [])]
    if admin is not None and admin.port and any(one.takes_from(admin) for one in dns):
        yield Fault("admin.listen", repr(str(admin)), "is taken by DNS over TCP or TLS: wants another port")
    if config.server.tls is None:
        return
    yield from _twice("server.tls.listen", (str(endpoint) for endpoint in config.server.tls.listen if endpoint.port))
    for index, endpoint in enumerate(config.server.tls.listen):
        if endpoint.port and endpoint in config.server.listen:
            yield Fault(f"server.tls.listen[{index}]", repr(str(endpoint)), "is in server.listen too, for plain DNS")


def _loops(config: ConfigFile) -> Iterator[Fault]:
    """An upstream that is this server itself would ask itself for ever."""
    for where, upstream in _upstreams(config):
        plain = upstream.scheme in (Scheme.UDP, Scheme.TCP)
        own = config.server.listen if plain else (config.server.tls.listen if config.server.tls else [])
        if any(endpoint.covers(upstream.endpoint) for endpoint in own):
            yield Fault(where, repr(str(upstream)), "is an address this server itself listens on: a loop")


def _upstreams(config: ConfigFile) -> Iterator[tuple[str, UpstreamAddress]]:
    lists = [("upstream.servers", config.upstream.servers)]
    lists += [(f"zone[{i}].servers", zone.servers) for i, zone in enumerate(config.zone)]
    lists += [(f"pool[{i}].servers", pool.servers) for i, pool in enumerate(config.pool)]
    for where, servers in lists:
        yield from ((f"{where}[{index}]", server) for index, server in enumerate(servers))


def _names(config: ConfigFile) -> Iterator[Fault]:
    yield from _twice("pool", (pool.name for pool in config.pool), ".name")
    yield from _twice("client", (client.name for client in config.client), ".name")
    yield from _twice("zone", (zone.suffix.lower().rstrip(".") for zone in config.zone), ".suffix")
    yield from _twice("dns64.map", (str(entry.ipv4) for entry in config.dns64.map), ".ipv4")
    for index, pool in enumerate(config.pool):
        if pool.name == DEFAULT:
            yield Fault(f"pool[{index}].name", repr(pool.name), "is what fallback calls the prefixes of [dns64]")
    for index, zone in enumerate(config.zone):
        yield from suffix_faults(f"zone[{index}].suffix", zone.suffix)
    owner: dict[bytes, str] = {}
    for index, pool in enumerate(config.pool):
        for place, domain in enumerate(pool.domains):
            where = f"pool[{index}].domains[{place}]"
            bad = list(suffix_faults(where, domain))
            yield from bad
            first = pool.name if bad else owner.setdefault(wire_suffix(domain), pool.name)
            if first != pool.name:
                yield Fault(where, repr(domain), f"belongs to pool {first!r} already")


def _references(config: ConfigFile) -> Iterator[Fault]:
    pools = [pool.name for pool in config.pool]
    ways = [*dict.fromkeys(pools), DEFAULT]
    for index, client in enumerate(config.client):
        if client.pool and client.pool not in pools:
            yield Fault(f"client[{index}].pool", repr(client.pool), _unknown_pool(client.pool, pools))
    for index, pool in enumerate(config.pool):
        if pool.fallback == pool.name:
            yield Fault(f"pool[{index}].fallback", repr(pool.fallback), "is the pool itself")
        elif pool.fallback and pool.fallback not in ways:
            yield Fault(f"pool[{index}].fallback", repr(pool.fallback), _unknown_pool(pool.fallback, ways))


def _unknown_pool(name: str, pools: list[str]) -> str:
    close = difflib.get_close_matches(name, pools, n=1, cutoff=0.5)
    hint = f", did you mean {close[0]!r}?" if close else f"; pools here: {', '.join(pools) or 'none'}"
    return f"unknown pool{hint}"


def _timing(config: ConfigFile) -> Iterator[Fault]:
    stagger, budget = config.upstream.stagger_ms, config.server.budget_s
    if stagger >= budget * 1000:
        yield Fault("upstream.stagger_ms", str(stagger), f"leaves no time in server.budget_s = {budget:g}")
    if config.server.tcp_max_per_client > config.server.tcp_max_connections:
        value = str(config.server.tcp_max_per_client)
        yield Fault("server.tcp_max_per_client", value, "is more than server.tcp_max_connections")


def _twice(where: str, names: Iterable[str], key: str = "") -> Iterator[Fault]:
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            yield Fault(f"{where}[{index}]{key}", repr(name), "is there twice")
        seen.add(name)
