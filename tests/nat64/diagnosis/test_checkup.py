from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from kun_nat64.drivers.doctor_facts import next_kernel
from kun_nat64.model.facts import Neighbour
from kun_nat64.model.inspection import Finding, Inspection, Level
from kun_nat64.model.observation import Foreign, LinkReport
from kun_nat64.model.spec import AgentSpec
from kun_nat64.policy.doctor_checks import examine, mss
from kun_nat64.policy.firewall import drops_protocol_41

KERNEL = "6.12.117+deb13-cloud-amd64"
VIP = IPv4Address("203.0.113.1")


@pytest.fixture
def good(spec: AgentSpec) -> Inspection:
    return Inspection(
        kernel=KERNEL,
        versions={"jool": "4.1.9.0", "gobgp": "gobgp version 3.10.0", "ip6tables": "ip6tables v1.8.9 (nf_tables)"},
        module_file=True,
        module_loaded=True,
        module_version="4.1.9.0",
        dkms=f"jool/4.1.9, {KERNEL}, x86_64: installed",
        sysctls={**dict(spec.gateway.sysctls), "net.ipv4.ip_local_port_range": "32768 60999"},
        input_rules=(":INPUT ACCEPT [0:0]",),
        links=(LinkReport(spec.gateway.outside, True, True, True, 1500, "fq_codel"),),
        fallback_up=False,
        neighbours=tuple(
            Neighbour(str(p.address), p.asn, "established", True, p.hold_s, bfd="up") for p in spec.bgp.peers
        ),
        differences=(),
    )


def bad(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.check for finding in findings if finding.level is Level.BAD]


def test_a_good_gateway_has_no_bad_finding(good: Inspection, spec: AgentSpec) -> None:
    findings = examine(good, spec)
    assert {finding.level for finding in findings} == {Level.GOOD}


@pytest.mark.parametrize(
    ("changes", "check", "remedy"),
    [
        ({"lacking_rights": ("CAP_NET_ADMIN",)}, "rights", "sudo"),
        ({"versions": {"jool": ""}}, "command jool", "apt install jool-tools"),
        ({"module_loaded": False, "module_file": False}, "Jool module", "apt install jool-dkms"),
        ({"fallback_up": True}, "sit0", "ip link set sit0 down"),
        ({"links": ()}, "interface eth1", "ip link"),
        ({"links": (LinkReport("eth1", True, True, False, 1500),)}, "interface eth1", "cable"),
        ({"links": (LinkReport("eth1", True, True, True, 1500, "fq"),)}, "interface eth1", "fq_codel"),
        ({"links": (LinkReport("eth1", True, True, True, 1400, ""),)}, "MSS", "mss = 1320"),
        ({"input_rules": ("-A INPUT -p ipv6 -j DROP",)}, "firewall", "iptables -I INPUT -p 41"),
        ({"neighbours": None, "bgp_error": "connection refused"}, "BGP", "systemctl start kun-gobgpd"),
        ({"neighbours": ()}, "BGP 10.2.1.1", "gobgpd.conf"),
        (
            {"neighbours": (Neighbour("10.2.1.1", 65000, "active", False),)},
            "BGP 10.2.1.1",
            "api.sock neighbor 10.2.1.1",
        ),
        (
            {"neighbours": (Neighbour("10.2.1.1", 65000, "established", True, 3, restart_s=20),)},
            "BGP 10.2.1.1",
            "graceful-restart",
        ),
        ({"next_kernel": "6.1.0-99-amd64", "next_module_file": False}, "Jool for the next kernel", "dkms autoinstall"),
        ({"foreign": (Foreign("a Jool instance named default", "`jool instance remove`"),)}, "foreign objects", "jool"),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_each_fault_is_named_with_what_mends_it(
    good: Inspection, spec: AgentSpec, changes: dict[str, object], check: str, remedy: str
) -> None:
    findings = examine(replace(good, **changes), spec)
    found = [finding for finding in findings if finding.check == check and finding.level is Level.BAD]
    assert found, bad(findings)
    assert remedy in found[0].remedy


@pytest.mark.parametrize(
    ("mtu", "level", "sums"),
    [
        (1500, Level.GOOD, "1500 - 20 (outer IPv4) - 40 (IPv6) - 20 (TCP) = 1420"),
        (9000, Level.GOOD, "8800 - 20 (outer IPv4)"),
        (1499, Level.NOTE, "1499 - 20 (outer IPv4) - 40 (IPv6) - 20 (TCP) = 1419"),
        (1460, Level.NOTE, "fits outside, but not in a tunnel over a link of 1460"),
        (1459, Level.BAD, "1420 does not fit outside"),
        (0, Level.GOOD, "1500 - 20"),
    ],
)
def test_the_mss_is_held_against_the_mtu_that_is_there(mtu: int, level: Level, sums: str, spec: AgentSpec) -> None:
    found = mss((LinkReport(spec.gateway.outside, True, True, True, mtu),), spec)
    assert (found.level, sums in found.words) == (level, True), found.words
    assert bool(found.remedy) is (level is not Level.GOOD)


def test_a_kernel_that_refuses_classes_is_noted_with_the_one_that_mends_it(good: Inspection, spec: AgentSpec) -> None:
    (told,) = (one for one in examine(replace(good, kernel="6.1.0-50-amd64"), spec) if one.check == "traffic class")
    assert told.level is Level.NOTE
    assert "6.1.0-50-amd64 finds no route" in told.words
    assert "6.12" in told.remedy


def test_fq_is_harmless_with_a_newer_jool(good: Inspection, spec: AgentSpec) -> None:
    links = (LinkReport("eth1", True, True, True, 1500, "fq"),)
    assert bad(examine(replace(good, links=links, module_version="4.1.13"), spec)) == []


def test_a_module_not_built_for_the_next_kernel_is_noted(good: Inspection, spec: AgentSpec) -> None:
    findings = examine(replace(good, dkms="jool/4.1.9, 6.1.0-49-amd64, x86_64: installed"), spec)
    assert [finding.level for finding in findings if finding.check == "dkms"] == [Level.NOTE]


def test_own_ports_inside_pool4_are_noted_where_the_host_has_the_address(good: Inspection, spec: AgentSpec) -> None:
    held = frozenset({str(spec.nat64.pool4[0].address)})
    assert not [f for f in examine(good, spec) if f.check == "local ports"]
    notes = [f for f in examine(replace(good, pool4_held=held), spec) if f.check == "local ports"]
    assert "net.ipv4.ip_local_port_range" in notes[0].remedy


def test_without_a_configuration_only_the_machine_is_judged(good: Inspection) -> None:
    assert {finding.check for finding in examine(good, None)} == {
        "rights", "command jool", "command gobgp", "command ip6tables", "Jool module", "dkms",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "check", "version"),
    [
        ({"kernel": "6.18.44-fc"}, "version of kernel", "6.18.44"),
        ({"versions": {"jool": "4.1.9.0", "gobgp": "gobgp version 4.8.0"}}, "version of gobgp", "4.8.0"),
        ({"module_version": "4.1.15.0"}, "version of jool", "4.1.15.0"),
        ({"versions": {"ip6tables": "ip6tables v1.8.13 (nf_tables)"}}, "version of ip6tables", "1.8.13"),
    ],
)
def test_a_version_that_nobody_has_tried_is_noted_beside_those_that_were(
    good: Inspection, spec: AgentSpec, changes: dict[str, object], check: str, version: str
) -> None:
    findings = examine(replace(good, **changes), spec)
    (note,) = [finding for finding in findings if finding.check.startswith("version of")]
    assert (note.level, note.check) == (Level.NOTE, check)
    assert note.words.startswith(f"{version} is not a tested version; tested are ")
    assert "docs/supported.md" in note.remedy


@pytest.mark.parametrize(
    ("lines", "drops"),
    [
        pytest.param((":INPUT ACCEPT [0:0]",), False, id="nothing"),
        pytest.param((":INPUT DROP [0:0]",), True, id="policy"),
        pytest.param((":INPUT DROP [0:0]", "-A INPUT -p ipv6 -j ACCEPT"), False, id="policy, but 41 is accepted"),
        pytest.param((":INPUT DROP [0:0]", "-A INPUT -i lo -j ACCEPT"), True, id="policy, only loopback accepted"),
        pytest.param((":INPUT ACCEPT [0:0]", "-A INPUT -p 41 -j DROP"), True, id="by number"),
        pytest.param((":INPUT ACCEPT [0:0]", "-A INPUT -d 203.0.113.1/32 -p ipv6 -j REJECT"), True, id="to the VIP"),
        pytest.param((":INPUT ACCEPT [0:0]", "-A INPUT -d 192.0.2.1/32 -p ipv6 -j DROP"), False, id="elsewhere"),
        pytest.param((":INPUT ACCEPT [0:0]", "-A INPUT -p tcp -j DROP"), False, id="another protocol"),
        pytest.param((":INPUT ACCEPT [0:0]", "-A INPUT -s 10.9.0.0/16 -p ipv6 -j DROP"), False, id="some sources only"),
        pytest.param((":INPUT ACCEPT [0:0]", "-A INPUT -j DROP"), True, id="everything"),
        pytest.param(
            (
                ":INPUT ACCEPT [0:0]",
                "-A INPUT -d 203.0.113.1/32 -p 41 -m comment --comment kun-nat64 -j KUN-NAT64-CLIENTS",
            ),
            False,
            id="our own rule",
        ),
        pytest.param(
            (":INPUT ACCEPT [0:0]", "-A INPUT -p ipv6 -j ACCEPT", "-A INPUT -j DROP"), False, id="accepted first"
        ),
        pytest.param(
            (":INPUT DROP [0:0]", "-A INPUT -s 10.0.0.0/8 -p ipv6 -j ACCEPT"),
            False,
            id="policy, but nodes are accepted",
        ),
        pytest.param(
            (":INPUT ACCEPT [0:0]", "-A INPUT -s 10.0.0.0/8 -p 41 -j ACCEPT", "-A INPUT -p 41 -j DROP"),
            False,
            id="nodes accepted, others dropped",
        ),
        pytest.param(
            (":INPUT DROP [0:0]", "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"),
            True,
            id="policy, only what is established accepted",
        ),
        pytest.param(
            (":INPUT DROP [0:0]", "-A INPUT -j ufw-in", "-A ufw-in -p tcp -m tcp --dport 22 -j ACCEPT"),
            True,
            id="policy, the chain of a tool accepts other things",
        ),
        pytest.param(
            (":INPUT DROP [0:0]", "-A INPUT -j ufw-in", "-A ufw-in -s 10.1.0.0/16 -p ipv6 -j ACCEPT"),
            False,
            id="policy, the chain of a tool accepts it",
        ),
        pytest.param(
            (":INPUT ACCEPT [0:0]", "-A INPUT -j fw", "-A fw -p ipv6 -j DROP"), True, id="the chain of a tool drops it"
        ),
        pytest.param(
            (":INPUT ACCEPT [0:0]", "-A INPUT -s 10.9.0.0/16 -j fw", "-A fw -p ipv6 -j DROP"),
            False,
            id="the chain of a tool drops it from some sources",
        ),
        pytest.param(
            (":INPUT ACCEPT [0:0]", "-A INPUT -j fw", "-A fw -p ipv6 -j RETURN", "-A fw -j DROP"),
            False,
            id="the chain of a tool gives it back",
        ),
        pytest.param(
            (":INPUT ACCEPT [0:0]", '-A INPUT -p ipv6 -m comment --comment "no 6to4" -j DROP'),
            True,
            id="with a comment",
        ),
        pytest.param((":INPUT DROP [0:0]", "-A INPUT ! -p tcp -j ACCEPT"), False, id="all but TCP accepted"),
        pytest.param(
            (":INPUT ACCEPT [0:0]", "-A INPUT -j a", "-A a -j b", "-A b -j a"), False, id="chains in a circle"
        ),
    ],
)
def test_the_firewall_question(lines: tuple[str, ...], drops: bool) -> None:
    assert bool(drops_protocol_41(lines, VIP)) is drops


def test_the_newest_kernel_is_the_next_one(tmp_path: Path) -> None:
    for release in ("6.1.0-9-amd64", "6.1.0-10-amd64", "5.10.0-30-amd64"):
        (tmp_path / f"vmlinuz-{release}").touch()
    assert next_kernel(tmp_path) == "6.1.0-10-amd64"
    assert next_kernel(tmp_path / "nothing") == ""
