"""What several keys say together, as a list of faults. A key that is wrong by itself has its fault elsewhere."""

import difflib
from collections.abc import Iterable, Iterator
from pathlib import Path

from kun_base.errors import Fault
from kun_base.follow_section import follow_faults
from kun_base.partial import as_far_as_readable, entries
from kun_base.prefix import Prefix, prefix_problem, vip_problem
from kun_dns64.config.endpoint import Endpoint, Scheme, UpstreamAddress
from kun_dns64.config.file import ConfigFile, Dns64Section, PoolSection
from kun_dns64.config.named_files import file_faults
from kun_dns64.config.suffixes import suffix_faults, wire_suffix
from kun_dns64.policy.gateway import DEFAULT
from kun_dns64.state.followed_rules import OWNER

Section = Dns64Section | PoolSection


def faults_of(config: ConfigFile, folder: Path) -> list[Fault]:
    """Every fault of what is readable (kun_base/partial.py); relative paths are below `folder`. Empty: all is right."""
    checks = [_exits, _maps, _listening, _admin, _tls, _loops, _names, _suffixes, _owners, _references, _fallbacks]
    checks += [_fallback_circles, _clients, _stagger, _connections, _owned_names]
    found = [fault for check in checks for fault in as_far_as_readable(check(config))]
    found += as_far_as_readable(_follow(config, folder))
    return found + list(file_faults(config, folder))


def _exits(config: ConfigFile) -> Iterator[Fault]:
    """The ways out: VIPs and prefixes of the default pool and of the others."""
    allow = config.dns64.allow_nonglobal_vip
    sections: list[tuple[str, Section]] = [("dns64", config.dns64)]
    sections += [(f"pool[{index}]", pool) for index, pool in entries(config.pool)]
    for where, section in sections:
        for check in (_vip, _prefixes, _one_of_both):
            yield from as_far_as_readable(check(where, section, allow))


def _vip(where: str, section: Section, allow: bool) -> Iterator[Fault]:
    vip = section.vip
    if vip is not None and (problem := vip_problem(vip, allow_nonglobal=allow)):
        yield Fault(f"{where}.vip", repr(str(vip)), f"{problem}; allow_nonglobal_vip = true allows it")


def _prefixes(where: str, section: Section, allow: bool) -> Iterator[Fault]:
    yield from _twice(f"{where}.prefixes", section.prefixes)
    yield from _unusable(((f"{where}.prefixes[{place}]", prefix) for place, prefix in entries(section.prefixes)), allow)


def _one_of_both(where: str, section: Section, _allow: bool) -> Iterator[Fault]:
    vip, prefixes = section.vip, section.prefixes
    if vip is not None and prefixes:
        yield Fault(f"{where}.vip", repr(str(vip)), f"excludes {where}.prefixes: give one of the two")
    if vip is None and not prefixes and where != "dns64":
        yield Fault(where, "", "needs vip or prefixes")


def _maps(config: ConfigFile) -> Iterator[Fault]:
    mapped = [(f"dns64.map[{place}].prefix", getattr(one, "prefix", None)) for place, one in entries(config.dns64.map)]
    yield from _twice("dns64.map", (getattr(one, "ipv4", None) for one in config.dns64.map), ".ipv4")
    usable = ((where, prefix) for where, prefix in mapped if isinstance(prefix, Prefix))
    yield from _unusable(usable, config.dns64.allow_nonglobal_vip)
    for place, one in entries(config.dns64.map):
        host = getattr(one, "host", None)
        if host is not None and getattr(one, "prefix", "6to4") != "6to4":
            yield Fault(f"dns64.map[{place}].host", repr(host), 'is for prefix = "6to4" alone')


def _unusable(prefixes: Iterable[tuple[str, Prefix]], allow: bool) -> Iterator[Fault]:
    for where, prefix in prefixes:
        if problem := prefix_problem(prefix, allow_nonglobal=allow):
            yield Fault(where, repr(str(prefix)), problem)


def _listening(config: ConfigFile) -> Iterator[Fault]:
    yield from _twice("server.listen", (_fixed(one) for one in config.server.listen))


def _admin(config: ConfigFile) -> Iterator[Fault]:
    admin = config.admin.listen
    dns = [*config.server.listen, *(config.server.tls.listen if config.server.tls else [])]
    if admin is not None and admin.port and any(one.takes_from(admin) for _, one in entries(dns)):
        yield Fault("admin.listen", repr(str(admin)), "is taken by DNS over TCP or TLS: use another port")


def _tls(config: ConfigFile) -> Iterator[Fault]:
    if config.server.tls is None:
        return
    yield from _twice("server.tls.listen", (_fixed(one) for one in config.server.tls.listen))
    for index, endpoint in entries(config.server.tls.listen):
        if endpoint.port and endpoint in config.server.listen:
            yield Fault(f"server.tls.listen[{index}]", repr(str(endpoint)), "is in server.listen too, for plain DNS")


def _fixed(endpoint: Endpoint | None) -> Endpoint | None:
    """None for port 0, which may stand there as often as one likes."""
    return endpoint if endpoint is not None and endpoint.port else None


def _loops(config: ConfigFile) -> Iterator[Fault]:
    """An upstream that is this server itself would ask itself for ever."""
    plain, tls = config.server.listen, config.server.tls.listen if config.server.tls else []
    for where, upstream in _upstreams(config):
        own = plain if upstream.scheme in (Scheme.UDP, Scheme.TCP) else tls
        if any(endpoint.covers(upstream.endpoint) for _, endpoint in entries(own)):
            yield Fault(where, repr(str(upstream)), "is an address this server itself listens on: a loop")


def _upstreams(config: ConfigFile) -> Iterator[tuple[str, UpstreamAddress]]:
    asked = [("upstream", getattr(config, "upstream", None))]
    asked += [(f"zone[{index}]", zone) for index, zone in entries(getattr(config, "zone", ()))]
    asked += [(f"pool[{index}]", pool) for index, pool in entries(getattr(config, "pool", ()))]
    for where, section in asked:
        servers = entries(getattr(section, "servers", ()))
        yield from ((f"{where}.servers[{index}]", server) for index, server in servers)


def _names(config: ConfigFile) -> Iterator[Fault]:
    yield from _twice("pool", _each("name", config.pool), ".name")
    yield from _twice("client", _each("name", config.client), ".name")
    suffixes = (suffix and suffix.lower().rstrip(".") for suffix in _each("suffix", config.zone))
    yield from _twice("zone", suffixes, ".suffix")
    for index, name in entries(_each("name", config.pool)):
        if name == DEFAULT:
            yield Fault(f"pool[{index}].name", repr(name), "is what fallback calls the prefixes of [dns64]")


def _suffixes(config: ConfigFile) -> Iterator[Fault]:
    for index, suffix in entries(_each("suffix", config.zone)):
        yield from suffix_faults(f"zone[{index}].suffix", suffix)
    for where, domain, _ in _domains(config):
        yield from suffix_faults(where, domain)


def _owners(config: ConfigFile) -> Iterator[Fault]:
    """A domain belongs to one pool."""
    owner: dict[bytes, str] = {}
    for where, domain, pool in _domains(config):
        if any(suffix_faults(where, domain)):
            continue
        first = owner.setdefault(wire_suffix(domain), pool)
        if first != pool:
            yield Fault(where, repr(domain), f"belongs to pool {first!r} already")


def _domains(config: ConfigFile) -> Iterator[tuple[str, str, str]]:
    """Key, domain and pool of each domain in the file itself."""
    for index, pool in entries(config.pool):
        name = getattr(pool, "name", f"pool[{index}]")
        for place, domain in entries(getattr(pool, "domains", ())):
            yield f"pool[{index}].domains[{place}]", domain, name


def _references(config: ConfigFile) -> Iterator[Fault]:
    pools = [pool.name for _, pool in entries(config.pool)]
    for index, name in entries(_each("pool", config.client)):
        if name and name not in pools:
            yield Fault(f"client[{index}].pool", repr(name), _unknown_pool(name, pools))


def _clients(config: ConfigFile) -> Iterator[Fault]:
    for index, client in entries(config.client):
        if not getattr(client, "networks", True) and not getattr(client, "network_files", True):
            yield Fault(f"client[{index}].networks", "[]", "has no clients: needs networks or network_files")
        if getattr(client, "domains", ()) and not getattr(client, "pool", "?"):
            yield Fault(f"client[{index}].domains", "", "needs client.pool: the pool that these names use")
        for place, domain in entries(getattr(client, "domains", ())):
            yield from suffix_faults(f"client[{index}].domains[{place}]", domain)


def _fallbacks(config: ConfigFile) -> Iterator[Fault]:
    names = [pool.name for _, pool in entries(config.pool)]
    ways = [*dict.fromkeys(names), DEFAULT]
    for index, pool in entries(config.pool):
        fallback = getattr(pool, "fallback", "")
        if fallback and fallback == pool.name:
            yield Fault(f"pool[{index}].fallback", repr(fallback), "is the pool itself")
        elif fallback and fallback not in ways:
            yield Fault(f"pool[{index}].fallback", repr(fallback), _unknown_pool(fallback, ways))


def _fallback_circles(config: ConfigFile) -> Iterator[Fault]:
    """When all gateways of a circle are down, its names have no pool."""
    pools = [(index, getattr(pool, "name", ""), getattr(pool, "fallback", "")) for index, pool in entries(config.pool)]
    found = [(index, name, fallback) for index, name, fallback in pools if name and fallback != name]
    ways = {name: fallback for _, name, fallback in found}
    reported: set[str] = set()
    for index, name, fallback in found:
        chain = [name]
        while (after := ways.get(chain[-1])) and after not in chain:
            chain.append(after)
        if after == name and name not in reported:
            reported |= set(chain)
            yield Fault(
                f"pool[{index}].fallback", repr(fallback), f"is a circular fallback: {' -> '.join([*chain, name])}"
            )


def _unknown_pool(name: str, pools: list[str]) -> str:
    close = difflib.get_close_matches(name, pools, n=1, cutoff=0.5)
    hint = f", did you mean {close[0]!r}?" if close else f"; pools here: {', '.join(pools) or 'none'}"
    return f"unknown pool{hint}"


def _stagger(config: ConfigFile) -> Iterator[Fault]:
    stagger, budget = config.upstream.stagger_ms, config.server.budget_s
    if stagger >= budget * 1000:
        yield Fault("upstream.stagger_ms", str(stagger), f"leaves no time in server.budget_s = {budget:g}")


def _connections(config: ConfigFile) -> Iterator[Fault]:
    if config.server.tcp_max_per_client > config.server.tcp_max_connections:
        value = str(config.server.tcp_max_per_client)
        yield Fault("server.tcp_max_per_client", value, "is more than server.tcp_max_connections")


def _each(key: str, tables: Iterable[object]) -> list[str | None]:
    """The value of a key in each table, in their order; None where it could not be read."""
    return [getattr(table, key, None) for table in tables]


def _twice(where: str, values: Iterable[object | None], key: str = "") -> Iterator[Fault]:
    seen: set[str] = set()
    for index, value in entries(values):
        if (text := str(value)) in seen:
            yield Fault(f"{where}[{index}]{key}", repr(text), "is listed twice")
        seen.add(text)


def _follow(config: ConfigFile, folder: Path) -> Iterator[Fault]:
    if config.follow is not None:
        yield from follow_faults(config.follow, folder)


def _owned_names(config: ConfigFile) -> Iterator[Fault]:
    """The pools of a followed table have this before their names."""
    for place, pool in entries(config.pool):
        if pool.name.startswith(OWNER):
            yield Fault(f"pool[{place}].name", repr(pool.name), f"must not start with {OWNER!r}: pools of [follow] do")
