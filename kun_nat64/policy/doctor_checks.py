"""Judges what `doctor` found: each check one finding, with the command that mends it."""

from collections.abc import Iterable, Iterator

from kun_nat64.formats.versions import JOOL_REFUSES_LOCAL_PORTS_SINCE, untested, version_in
from kun_nat64.model.inspection import Finding, Inspection, Level
from kun_nat64.model.joolglobals import CLASSES_ARE_SAFE_FROM
from kun_nat64.model.observation import LinkReport
from kun_nat64.model.spec import AgentSpec
from kun_nat64.policy.diagnosis import FQ_IS_SAFE_FROM
from kun_nat64.policy.firewall import drops_protocol_41
from kun_nat64.policy.foreign_checks import surroundings_judged
from kun_nat64.policy.speaker_checks import speaker_judged

PACKAGES = {
    "jool": "jool-tools",
    "ip6tables": "iptables",
    "ip": "iproute2",
    "gobgp": "gobgpd",
    "vtysh": "frr",
    "bird": "bird2",
}
IPV4_HEADER, IPV6_HEADER, TCP_HEADER = 20, 40, 20
LOCAL_PORTS = "net.ipv4.ip_local_port_range"


def examine(found: Inspection, spec: AgentSpec | None) -> tuple[Finding, ...]:
    """Checks that need the configuration are left out where there is none."""
    fallback = () if spec and spec.gateway.is_native else _fallback(found)
    checks = (*_host(found), *fallback, *(_gateway(found, spec) if spec else ()))
    return tuple(checks)


def _host(found: Inspection) -> Iterator[Finding]:
    yield _rights(found)
    for tool, version in found.versions.items():
        yield _tool(tool, version)
    yield _module(found)
    yield _dkms(found)
    yield from _next_kernel(found)
    yield from _untested(found)


def _gateway(found: Inspection, spec: AgentSpec) -> Iterator[Finding]:
    yield from _sysctls(found, spec)
    yield from _links(found, spec)
    yield mss(found.links, spec)
    yield _traffic_class(found)
    yield from _local_ports(found, spec)
    yield from _native_links(found, spec) if spec.gateway.is_native else _firewall(found, spec)
    yield from surroundings_judged(found.around, spec)
    yield from speaker_judged(found, spec)
    yield from _ring(spec)
    for foreign in found.foreign:
        yield Finding(Level.BAD, "foreign objects", foreign.what, foreign.remedy)
    yield _plan(found)


def _rights(found: Inspection) -> Finding:
    if not found.lacking_rights:
        return Finding(Level.GOOD, "rights", "may change the network")
    return Finding(Level.BAD, "rights", f"lacks {', '.join(found.lacking_rights)}", "run it with `sudo`")


def _tool(tool: str, version: str) -> Finding:
    if version:
        return Finding(Level.GOOD, f"command {tool}", version)
    return Finding(Level.BAD, f"command {tool}", "is missing", f"`apt install {PACKAGES.get(tool, tool)}`")


def _module(found: Inspection) -> Finding:
    check = "Jool module"
    if found.module_loaded:
        return Finding(Level.GOOD, check, f"loaded, version {found.module_version or 'unknown'}")
    if found.module_file:
        return Finding(Level.NOTE, check, "built for this kernel, not loaded; the agent loads it", "`modprobe jool`")
    remedy = "`apt install jool-dkms linux-headers-$(uname -r)`, then `modprobe jool`; after a new kernel, reboot"
    return Finding(Level.BAD, check, f"not built for the running kernel {found.kernel}", remedy)


def _next_kernel(found: Inspection) -> Iterator[Finding]:
    """Check the newest installed kernel: the host boots with it next time."""
    if found.next_kernel and found.next_kernel != found.kernel and not found.next_module_file:
        words = f"not built for {found.next_kernel}, which starts at the next boot"
        remedy = f"`apt install linux-headers-{found.next_kernel} && dkms autoinstall -k {found.next_kernel}`"
        yield Finding(Level.BAD, "Jool for the next kernel", words, remedy)


def _dkms(found: Inspection) -> Finding:
    check = "dkms"
    if found.dkms is None:
        return Finding(Level.UNKNOWN, check, "dkms is missing: nothing builds Jool for the next kernel")
    if found.kernel in found.dkms:
        return Finding(Level.GOOD, check, f"has built jool for {found.kernel}")
    level = Level.NOTE if found.module_loaded or found.module_file else Level.BAD
    remedy = "`apt install linux-headers-$(uname -r) && dkms autoinstall`"
    return Finding(level, check, f"has not built jool for {found.kernel}", remedy)


def _fallback(found: Inspection) -> Iterator[Finding]:
    if found.fallback_up:
        words = "the kernel's fallback tunnel is up: it hides a missing tunnel, and takes packets of any kind"
        yield Finding(Level.BAD, "sit0", words, "`ip link set sit0 down`")


def _untested(found: Inspection) -> Iterator[Finding]:
    """Note versions that are not tested."""
    versions = {"kernel": found.kernel, **found.versions}
    if found.module_version:
        versions["jool"] = found.module_version  # the module translates; the command only speaks to it
    for tool, version, tested in untested(versions):
        words = f"{version} is not a tested version; tested are {tested}"
        yield Finding(Level.NOTE, f"version of {tool}", words, "see docs/supported.md")


def _sysctls(found: Inspection, spec: AgentSpec) -> Iterator[Finding]:
    for name, wanted in spec.gateway.sysctls:
        value = found.sysctls.get(name)
        if value != wanted:
            words = f"is {value or 'not there'}, should be {wanted}; the agent sets it"
            yield Finding(Level.NOTE, f"sysctl {name}", words, f"`sysctl -w {name}={wanted}`")


def _links(found: Inspection, spec: AgentSpec) -> Iterator[Finding]:
    outside = spec.gateway.outside
    link = next((link for link in found.links if link.name == outside), None)
    if link is None or not link.present:
        yield Finding(Level.BAD, f"interface {outside}", "does not exist", "`ip link`; then [gateway] outside")
        return
    if not (link.up and link.carrier):
        state = "is down" if not link.up else "has no carrier"
        yield Finding(Level.BAD, f"interface {outside}", state, f"`ip link set {outside} up`; the cable")
    else:
        yield Finding(Level.GOOD, f"interface {outside}", f"up, MTU {link.mtu}, qdisc {link.qdisc or 'unknown'}")
    version = version_in(found.module_version)
    if link.qdisc == "fq" and version and version < FQ_IS_SAFE_FROM:
        words = f"qdisc fq drops what Jool {found.module_version} sends"
        yield Finding(Level.BAD, f"interface {outside}", words, f"`tc qdisc replace dev {outside} root fq_codel`")


def _native_links(found: Inspection, spec: AgentSpec) -> Iterator[Finding]:
    """Check the inside interface of native packets, which the agent does not create."""
    uplink = spec.gateway.uplink
    link = next((link for link in found.links if link.name == uplink), None)
    check = f"interface {uplink}"
    if link is None or not link.present:
        yield Finding(Level.BAD, check, "does not exist", "`ip link`; then [gateway] uplink")
    elif not (link.up and link.carrier):
        state = "is down" if not link.up else "has no carrier"
        yield Finding(Level.BAD, check, state, f"`ip link set {uplink} up`; the cable")
    elif link.mtu < spec.gateway.inside_mtu:
        words = f"its MTU of {link.mtu} is below inside_mtu = {spec.gateway.inside_mtu}"
        yield Finding(Level.BAD, check, words, f"`ip link set {uplink} mtu {spec.gateway.inside_mtu}`, or inside_mtu")
    else:
        yield Finding(Level.GOOD, check, f"up, MTU {link.mtu}")


def mss(links: Iterable[LinkReport], spec: AgentSpec) -> Finding:
    """The configured MSS against the MTU that the outside interface has now, and the one the pods are said to have."""
    gateway = spec.gateway
    outside = next((link.mtu for link in links if link.name == gateway.outside and link.mtu), gateway.outside_mtu)
    narrow = min(outside, gateway.inside_mtu)
    safe = narrow - IPV6_HEADER - TCP_HEADER - (0 if gateway.is_native else IPV4_HEADER)
    outer = "" if gateway.is_native else f" - {IPV4_HEADER} (outer IPv4)"
    sums = f"{narrow}{outer} - {IPV6_HEADER} (IPv6) - {TCP_HEADER} (TCP) = {safe}"
    if gateway.mss <= safe:
        return Finding(Level.GOOD, "MSS", f"{gateway.mss} fits everywhere: {sums}")
    if gateway.mss <= outside - IPV4_HEADER - TCP_HEADER:
        what = "as IPv6" if gateway.is_native else "in a tunnel"
        words = f"{gateway.mss} fits outside, but not {what} over a link of {outside}: {sums}"
        return Finding(Level.NOTE, "MSS", words, f"[gateway] mss = {safe}")
    return Finding(Level.BAD, "MSS", f"{gateway.mss} does not fit outside: {sums}", f"[gateway] mss = {safe}")


def _traffic_class(found: Inspection) -> Finding:
    check, kernel = "traffic class", version_in(found.kernel)
    if not kernel or kernel >= CLASSES_ARE_SAFE_FROM:
        return Finding(Level.GOOD, check, f"kernel {found.kernel} routes packets of any class")
    safe = ".".join(map(str, CLASSES_ARE_SAFE_FROM))
    words = f"kernel {found.kernel} finds no route for classes with bit 0 (ECT(1), CE): Jool sends all with class 0"
    return Finding(Level.NOTE, check, words, f"a kernel from {safe} on (Debian 13) keeps DSCP; docs/way-back.md")


def _local_ports(found: Inspection, spec: AgentSpec) -> Iterator[Finding]:
    """Jool and the host's own sockets must not use the same ports of the same address (Jool issue 437)."""
    span = [int(word) for word in (found.sysctls.get(LOCAL_PORTS) or "").split()]
    if len(span) != 2:
        return
    for entry in spec.nat64.pool4:
        overlaps = entry.first_port <= span[1] and span[0] <= entry.last_port
        if overlaps and str(entry.address) in found.pool4_held:
            words = (
                f"pool4 {entry.address} {entry.first_port}-{entry.last_port} overlaps the host's own ports "
                f"{span[0]}-{span[1]}: connections of this host from that address may break"
            )
            if version_in(found.module_version) >= JOOL_REFUSES_LOCAL_PORTS_SINCE:
                words += f"; Jool {found.module_version} refuses such ports, and the agent overrides that"
            remedy = f'`sysctl -w {LOCAL_PORTS}="{_free_span(entry.first_port, entry.last_port)}"`'
            yield Finding(Level.NOTE, "local ports", words, remedy)


def _free_span(first: int, last: int) -> str:
    return f"{last + 1} 65535" if 65535 - last >= first - 1024 else f"1024 {first - 1}"


def _firewall(found: Inspection, spec: AgentSpec) -> Iterator[Finding]:
    if found.input_rules is None:
        yield Finding(Level.UNKNOWN, "firewall", "INPUT could not be read", "`iptables-save -t filter`")
        return
    vip = spec.gateway.tunnel_end
    dropping = drops_protocol_41(found.input_rules, vip, found.around.uplink, spec.health.node)
    if dropping:
        remedy = f"`iptables -I INPUT -p 41 -d {vip} -j ACCEPT`"
        yield Finding(Level.BAD, "firewall", f"drops protocol 41: {dropping[0]}", remedy)
    else:
        yield Finding(Level.GOOD, "firewall", "lets protocol 41 to the VIP through")


def _ring(spec: AgentSpec) -> Iterator[Finding]:
    """Who is in it and does not answer the running agent knows, and warns of."""
    if (ring := spec.fleet.ring) is None:
        return
    members, inside = len(spec.fleet.members), len(ring.members)
    if inside < members:
        words = (
            f"packets of unknown flows are shown to {inside} of {members} members: the URLs of the others have no IPv4"
        )
        yield Finding(Level.NOTE, "ring", words, "[fleet] ring_members = the IPv4 addresses of all others")
    else:
        yield Finding(Level.GOOD, "ring", f"packets of unknown flows are shown to {inside} other gateways")


def _plan(found: Inspection) -> Finding:
    if found.differences is None:
        return Finding(Level.UNKNOWN, "configuration", "could not be compared with the machine")
    if not found.differences:
        return Finding(Level.GOOD, "configuration", "the machine matches it")
    words = f"the machine differs in {len(found.differences)} places, the first: {found.differences[0]}"
    return Finding(Level.NOTE, "configuration", words, "`kun-nat64 plan`, or let `kun-nat64 run` do it")
