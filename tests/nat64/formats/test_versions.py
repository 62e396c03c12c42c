"""The same facts are read from what every tested version prints."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest

from kun_base.prefix import Prefix, sixtofour_prefix
from kun_nat64.formats import gobgpapi, iptables, joolcsv, nftables
from kun_nat64.formats.versions import (
    JOOL_GLOBALS_SINCE,
    JOOL_STATS_SINCE,
    TESTED,
    Release,
    is_tested,
    untested,
    version_in,
)
from kun_nat64.model.facts import BgpPath, Chain, Family, JoolInstance, OrphanReset, Pool4, Protocol, Rule
from kun_nat64.model.joolglobals import SETTINGS
from kun_nat64.model.resetfacts import FlowWatch
from tests.nat64.formats.golden import FOLDER, golden

EACH = pytest.mark.parametrize("release", TESTED, ids=lambda release: f"debian-{release.debian}")
VIP = BgpPath(IPv4Network("203.0.113.1/32"), IPv4Address("10.2.1.2"), 10)
PUBLIC, POOL6 = IPv4Address("192.0.2.11"), sixtofour_prefix(IPv4Address("203.0.113.1"))


def jool(release: Release, name: str) -> str:
    return golden(f"jool-{release.jool}-{name}")


@EACH
def test_globals_are_those_we_know_and_those_that_the_version_added(release: Release) -> None:
    printed = joolcsv.parse_globals(jool(release, "global.csv"))
    added = {name for name, since in JOOL_GLOBALS_SINCE.items() if version_in(release.jool) >= since}
    assert printed.keys() == set(SETTINGS) | {"pool6"} | added
    assert joolcsv.instance_of("kun", printed) == JoolInstance("kun", POOL6)
    assert (printed["f-args"], printed["tcp-est-timeout"], printed["manually-enabled"]) == ("8", "2:00:00", "true")


@EACH
def test_counters_beyond_those_of_the_oldest_version_are_joolds(release: Release) -> None:
    oldest = joolcsv.parse_stats(golden(f"jool-{TESTED[0].jool}-stats-all.csv"))
    every = joolcsv.parse_stats(jool(release, "stats-all.csv"))
    added = {name for name, since in JOOL_STATS_SINCE.items() if version_in(release.jool) >= since}
    assert oldest.keys() <= every.keys()
    assert {name[: name.index("_") + 1] for name in every.keys() - oldest.keys()} == added
    counted = joolcsv.parse_stats(jool(release, "stats.csv"))
    assert counted.keys() <= every.keys()
    assert min(counted["RECEIVED6"], counted["SUCCESS"]) > 0


@EACH
@pytest.mark.parametrize("protocol", Protocol)
def test_pool4_bindings_and_sessions_are_read(release: Release, protocol: Protocol) -> None:
    assert joolcsv.parse_pool4(jool(release, f"pool4-{protocol}.csv"), "kun") == [
        Pool4("kun", protocol, PUBLIC, 20000, 60000)
    ]
    bindings = joolcsv.parse_bib(jool(release, f"bib-{protocol}.csv"))
    sessions = joolcsv.parse_sessions(jool(release, f"session-{protocol}.csv"))
    assert sessions
    assert {session.outside for session in sessions} <= {binding.outside for binding in bindings}
    assert all(bool(session.state) is (protocol is Protocol.TCP) for session in sessions)
    assert all(session.outside.address == PUBLIC and session.target.address in POOL6.network for session in sessions)


@EACH
def test_instances_are_listed(release: Release) -> None:
    assert set(joolcsv.parse_instances(jool(release, "instance.csv"))) == {("kun", "netfilter")}
    assert jool(release, "status.txt") == "Running\n"


@EACH
def test_complaints_of_jool_end_with_the_same_codes(release: Release) -> None:
    codes = [line for line in jool(release, "errors.txt").splitlines() if line.startswith("rc ")]
    assert codes == ["rc 3", "rc 22", "rc 234", "rc 17", "rc 22", "rc 234"]


@EACH
def test_our_rules_are_read_back_as_they_were_written(release: Release) -> None:
    six = iptables.parse_save(golden(f"iptables-{release.iptables}-nft-ip6tables-save.txt"), Family.IPV6)
    four = iptables.parse_save(golden(f"iptables-{release.iptables}-nft-iptables-save.txt"), Family.IPV4)
    mss = "-p tcp -m tcp --tcp-flags SYN,RST SYN -m comment --comment kun-nat64 -j TCPMSS --set-mss 1420"
    assert {fact for fact in six.facts if isinstance(fact, Rule) and fact.table == "mangle"} == {
        Rule(Family.IPV6, "mangle", "PREROUTING", f"-d 2002:cb00:7101::/96 {mss}"),
        Rule(Family.IPV6, "mangle", "POSTROUTING", f"-s 2002:cb00:7101::/96 {mss}"),
    }
    assert {fact.name for fact in six.facts | four.facts if isinstance(fact, Chain)} == {
        "KUN-NAT64-PODS",
        "KUN-NAT64-CLIENTS",
    }
    jump = "-d 203.0.113.1/32 -p 41 -m comment --comment kun-nat64 -j KUN-NAT64-CLIENTS"
    assert Rule(Family.IPV4, "filter", "INPUT", jump) in four.facts
    assert six.nftables
    assert four.nftables


@EACH
def test_the_table_that_resets_orphaned_flows_is_read_back_as_it_was_made(release: Release) -> None:
    watch = FlowWatch("kun", Prefix.parse("2002:cb00:7101::/96"), 7260, 300, 262144)
    found = nftables.parse(golden(f"nft-{release.nft}-orphan-reset.json"), watch)
    assert found.fact == OrphanReset(watch, armed=True)


def test_the_speakers_api_of_debian_13_tells_paths_and_neighbours() -> None:
    """That of Debian 12 was captured elsewhere: test_gobgpapi.py."""

    def answers(question: str) -> list[bytes]:
        return [bytes.fromhex(line) for line in golden(f"gobgp-3.36.0-api-{question}.hex").splitlines()]

    paths = [path for each in answers("paths-ipv4") for path in gobgpapi.read_paths(gobgpapi.V3, each, "10.2.1.2")]
    assert paths == [gobgpapi.FoundPath(VIP, local=True)]
    (six,) = [path for each in answers("paths-ipv6") for path in gobgpapi.read_paths(gobgpapi.V3, each, "10.2.1.2")]
    assert six.path == BgpPath(IPv6Network("2002:cb00:7101::/48"), IPv6Address("fd00::2"), None, origin="incomplete")
    assert list(map(gobgpapi.read_prefix, answers("adj-out"))) == ["203.0.113.1/32"]
    (peer,) = map(gobgpapi.read_peer, answers("peers"))
    assert (peer.address, peer.asn, peer.state, peer.hold_s) == ("10.2.1.1", 65000, "established", 3)


@EACH
@pytest.mark.parametrize("tool", ["jool", "gobgp", "vtysh", "bird", "iptables", "nft", "ip"])
def test_every_tested_version_has_captured_output(release: Release, tool: str) -> None:
    assert list(FOLDER.glob(f"{tool}-{release.of(tool)}-*"))


@pytest.mark.parametrize(
    ("text", "version"), [("gobgp version 3.10.0", (3, 10, 0)), ("4.1.9.0", (4, 1, 9, 0)), ("", ()), ("none", ())]
)
def test_versions_are_numbers(text: str, version: tuple[int, ...]) -> None:
    assert version_in(text) == version


@pytest.mark.parametrize(
    ("tool", "version", "expected"),
    [
        pytest.param("jool", "4.1.13.0", True, id="the module says a fourth number"),
        pytest.param("jool", "4.1.9", True, id="debian 12"),
        pytest.param("jool", "4.1.1", False, id="a beginning is not the version"),
        pytest.param("jool", "4.1.15", False, id="of nobody"),
        pytest.param("kernel", "6.12.117+deb13-cloud-amd64", True, id="kernels by their first two numbers"),
        pytest.param("kernel", "6.18.44", False, id="another kernel"),
        pytest.param("gobgp", "gobgp version 3.36.0", True, id="as the command says it"),
        pytest.param("gobgp", "", False, id="nothing said"),
    ],
)
def test_versions_are_compared_by_their_numbers(tool: str, version: str, expected: bool) -> None:
    assert is_tested(tool, version) is expected


def test_untested_versions_are_named_beside_the_tested_ones() -> None:
    found = untested({"jool": "4.1.15", "gobgp": "gobgp version 3.36.0", "ss": "6.1.0", "nft": ""})
    assert list(found) == [("jool", "4.1.15", "4.1.9 and 4.1.13")]


@EACH
def test_the_document_of_supported_versions_says_the_same(release: Release) -> None:
    lines = (FOLDER.parents[3] / "docs" / "supported.md").read_text().splitlines()
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("|")]
    column = table[0].index(f"Debian {release.debian}")
    said = {row[0].split(" ")[0].lower(): row[column] for row in table[2:11]}
    tools = {
        "kernel": "kernel",
        "jool": "jool",
        "gobgp": "gobgp",
        "frr": "vtysh",
        "bird": "bird",
        "iptables": "iptables",
        "nft": "nft",
        "iproute2": "ip",
    }
    assert {name: said[name] for name in tools} == {name: release.of(tool) for name, tool in tools.items()}
