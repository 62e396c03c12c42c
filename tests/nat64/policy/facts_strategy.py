"""Sets of facts that a machine can be in: what is inside something has that something around it."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from hypothesis import strategies as st

from kun_base.prefix import Prefix, sixtofour_prefix
from kun_nat64.model.facts import (
    Address,
    BgpPath,
    Chain,
    Fact,
    Facts,
    Family,
    JoolGlobal,
    JoolInstance,
    LinkState,
    Module,
    Netns,
    OrphanReset,
    Pool4,
    Protocol,
    Route,
    Rule,
    Sysctl,
    TenantTable,
    Tunnel,
    Veth,
)
from kun_nat64.model.tenantfacts import TenantRules
from kun_nat64.policy.portranges import merged

VIPS = tuple(IPv4Address(f"203.0.113.{n}") for n in (1, 2))
PUBLIC = tuple(IPv4Address(f"192.0.2.{n}") for n in (11, 12))
PREFIXES: tuple[Prefix, ...] = tuple(map(sixtofour_prefix, VIPS))
TENANT_RULES = TenantRules("kun64", PREFIXES[0], IPv6Address("2002:a01::1"))


def subset(facts: list[Fact]) -> st.SearchStrategy[set[Fact]]:
    return st.sets(st.sampled_from(facts)) if facts else st.just(set())


@st.composite
def _jool(draw: st.DrawFn) -> set[Fact]:
    if draw(st.booleans()):
        return set()
    entry = st.builds(
        lambda protocol, address, first, length: Pool4("kun", protocol, address, first, first + length),
        st.sampled_from(Protocol),
        st.sampled_from(PUBLIC),
        st.integers(1, 40),
        st.integers(0, 20),
    )
    # Settings are always there, whatever their value.
    value = draw(st.sampled_from(("true", "false")))
    return {
        JoolInstance("kun", draw(st.sampled_from(PREFIXES))),
        JoolGlobal("kun", "manually-enabled", value),
        *merged(draw(st.lists(entry, max_size=5))),
    }


@st.composite
def _links(draw: st.DrawFn) -> set[Fact]:
    found: set[Fact] = {LinkState("sit0", draw(st.booleans()))}
    if draw(st.booleans()):
        mtu, up = draw(st.sampled_from((1480, 8800))), draw(st.booleans())
        found.add(Tunnel("kun64", draw(st.sampled_from(VIPS)), mtu, up=up))
        found |= draw(subset([Route(IPv6Network(n), "kun64") for n in ("2002::/16", "2001:db8::/32")]))
    found |= draw(subset([Address("lo", vip, 32) for vip in VIPS]))
    return found | draw(_probe())


@st.composite
def _probe(draw: st.DrawFn) -> set[Fact]:
    if draw(st.booleans()):
        return set()
    found: set[Fact] = {Netns("probe")}
    if draw(st.booleans()):
        found.add(Veth("cable", "eth0", "probe", draw(st.sampled_from((1500, 8820)))))
        ends = [Address("cable", IPv4Address("169.254.64.1"), 30), Address("eth0", PUBLIC[0], 30, "probe")]
        found |= draw(subset([*ends, Route(IPv4Network(VIPS[0]), "eth0", ends[0].address, "probe")]))
    return found


@st.composite
def _others(draw: st.DrawFn) -> set[Fact]:
    mss = draw(st.sampled_from((1400, 1420)))
    return {
        Sysctl("net.ipv4.ip_forward", draw(st.sampled_from("01"))),
        *draw(subset([OrphanReset(draw(st.sampled_from(("old", "new"))), draw(st.booleans()))])),
        *draw(subset([TenantTable(TENANT_RULES, (64,), frozenset({(64, draw(st.integers(0, 3)) << 64, 5)}))])),
        *draw(subset([Module("jool"), Module("sit")])),
        *draw(subset([Rule(Family.IPV6, "mangle", "PREROUTING", f"-j TCPMSS --set-mss {mss}", draw(st.booleans()))])),
        *draw(subset([Chain(Family.IPV4, "filter", "KUN-NAT64-CLIENTS", (f"-s {draw(st.sampled_from(PUBLIC))}",))])),
        *draw(subset([BgpPath(IPv4Network(vip), PUBLIC[0], draw(st.sampled_from((10, 1000)))) for vip in VIPS])),
    }


@st.composite
def machines(draw: st.DrawFn) -> Facts:
    return frozenset(draw(_jool()) | draw(_links()) | draw(_others()))
