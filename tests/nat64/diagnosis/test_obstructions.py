"""Rules of others that take tunnelled packets, or answers, out of the way; and what `doctor` says of them."""

import asyncio
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from kun_nat64.drivers.command import CommandResult, Feed
from kun_nat64.drivers.foreign_objects import look_around, strict_interfaces
from kun_nat64.model.errors import DriverError, FailureKind
from kun_nat64.model.foreign_objects import Surroundings
from kun_nat64.model.inspection import Level
from kun_nat64.model.spec import AgentSpec
from kun_nat64.policy.blocking_rules import answer_obstructions, tunnel_obstructions
from kun_nat64.policy.foreign_checks import surroundings_judged
from tests.nat64.formats.golden import golden

VIP = IPv4Address("203.0.113.1")
QUIET = ("*filter", ":INPUT ACCEPT [0:0]", "COMMIT")


def saved(table: str, *lines: str) -> str:
    return "\n".join((*QUIET, f"*{table}", *lines, "COMMIT"))


@pytest.mark.parametrize(
    ("table", "line", "found"),
    [
        ("mangle", "-A INPUT -p ipv6 -j DROP", "-t mangle -A INPUT -p ipv6 -j DROP"),
        ("raw", "-A PREROUTING -p 41 -j DROP", "-t raw -A PREROUTING -p 41 -j DROP"),
        ("raw", ":PREROUTING DROP [0:0]", "-t raw policy of PREROUTING: DROP"),
        ("raw", "-A OUTPUT -p 41 -j DROP", ""),
        ("mangle", ":OUTPUT DROP [0:0]", ""),
    ],
)
def test_what_takes_tunnelled_packets_is_found_in_every_table_on_their_way(table: str, line: str, found: str) -> None:
    assert tunnel_obstructions(saved(table, line), VIP) == ((found,) if found else ())


@pytest.mark.parametrize(
    ("rule", "drops"),
    [
        ("-A PREROUTING -m conntrack --ctstate INVALID -j DROP", True),
        ("-A PREROUTING -i eth1 -m conntrack --ctstate INVALID,UNTRACKED -j DROP", True),
        ("-A PREROUTING -m state --state INVALID -j DROP", True),
        ("-A PREROUTING -m conntrack ! --ctstate INVALID -j DROP", False),
        ("-A PREROUTING -m conntrack --ctstate ESTABLISHED -j DROP", False),
        ("-A PREROUTING -m conntrack --ctstate INVALID -j LOG", False),
        ("-A INPUT -m conntrack --ctstate INVALID -j DROP", False),
    ],
)
def test_rules_that_drop_answers_for_the_translator(rule: str, drops: bool) -> None:
    assert bool(answer_obstructions(saved("mangle", rule))) is drops


class Tools:
    """Answers by the first words; what is not in the script is missing from the machine."""

    def __init__(self, script: dict[tuple[str, ...], CommandResult]) -> None:
        self.script = script

    async def run(
        self, *argv: str, stdin: str = "", deadline_s: float = 5.0, feed: Feed | None = None
    ) -> CommandResult:
        for words, outcome in self.script.items():
            if argv[: len(words)] == words:
                return outcome
        raise DriverError(FailureKind.MISSING_TOOL, argv, "no such command")


ADDRESS = "2: eth1    inet 192.0.2.11/24 brd 192.0.2.255 scope global eth1\n"
INSIDE = "3: eth0    inet 10.2.1.2/24 brd 10.2.1.255 scope global eth0\n"
TO_NODE = (*("ip", "-o", "-4", "route", "get"), "10.255.255.254")
BY_UPLINK = CommandResult(0, "10.255.255.254 from 203.0.113.1 via 10.2.1.1 dev eth0 uid 0 \\    cache ", "")
ROUTE = ("ip", "-o", "-4", "route", "get")
WELL = {
    ("iptables-save",): CommandResult(0, saved("mangle"), ""),
    ("ip", "-o", "-4", "address"): CommandResult(0, ADDRESS + INSIDE, ""),
    TO_NODE: BY_UPLINK,
    ROUTE: CommandResult(0, "198.51.100.80 via 192.0.2.1 dev eth1 src 192.0.2.11 uid 0", ""),
}


def test_a_machine_without_obstacles_shows_none(spec: AgentSpec, tmp_path: Path) -> None:
    assert asyncio.run(look_around(Tools(WELL), spec, tmp_path)) == Surroundings(True, uplink="eth0")


@pytest.mark.parametrize(
    "answer",
    [
        CommandResult(2, "", "RTNETLINK answers: Network is unreachable"),
        CommandResult(0, "198.51.100.80 via 10.2.1.1 dev eth0", ""),
    ],
    ids=["no route", "by another interface"],
)
def test_a_way_that_does_not_lead_out_is_no_default_route(
    spec: AgentSpec, tmp_path: Path, answer: CommandResult
) -> None:
    assert asyncio.run(look_around(Tools(WELL | {ROUTE: answer}), spec, tmp_path)).default_route is False


def test_what_the_real_tools_print_is_understood(spec: AgentSpec, tmp_path: Path) -> None:
    """Captured on a gateway that is well."""
    real = {
        ("iptables-save",): CommandResult(0, golden("iptables-1.8.9-nft-iptables-save.txt"), ""),
        ("ip", "-o", "-4", "address"): CommandResult(0, golden("ip-6.1.0-address.txt"), ""),
        ("ip", "-4", "neigh"): CommandResult(0, golden("ip-6.1.0-neigh.txt"), ""),
        TO_NODE: BY_UPLINK,
        ROUTE: CommandResult(0, golden("ip-6.1.0-route-get.txt"), ""),
    }
    assert asyncio.run(look_around(Tools(real), spec, tmp_path)) == Surroundings(True, uplink="eth0")


def test_missing_tools_leave_everything_unknown(spec: AgentSpec, tmp_path: Path) -> None:
    assert asyncio.run(look_around(Tools({}), spec, tmp_path)) == Surroundings()


def test_an_address_of_pool4_that_is_nowhere_is_found(spec: AgentSpec, tmp_path: Path) -> None:
    moved = WELL | {("ip", "-o", "-4", "address"): CommandResult(0, ADDRESS.replace("192.0.2.11/", "192.0.2.111/"), "")}
    assert asyncio.run(look_around(Tools(moved), spec, tmp_path)).absent == ("192.0.2.11",)


@pytest.mark.parametrize(
    ("neighbours", "silent"),
    [
        ("192.0.2.1 lladdr 02:00:00:00:00:01 REACHABLE\n", ()),
        ("192.0.2.1  FAILED\n", ("192.0.2.1",)),
        ("192.0.2.9  FAILED\n192.0.2.1 INCOMPLETE\n", ("192.0.2.1",)),
    ],
    ids=["answers", "failed", "being asked; another one is of no interest"],
)
def test_a_next_router_that_does_not_answer_is_found(
    spec: AgentSpec, tmp_path: Path, neighbours: str, silent: tuple[str, ...]
) -> None:
    tools = Tools(WELL | {("ip", "-4", "neigh"): CommandResult(0, neighbours, "")})
    assert asyncio.run(look_around(tools, spec, tmp_path)).silent == silent


@pytest.mark.parametrize(
    ("everywhere", "own", "strict"),
    [("0", "1", True), ("1", "0", True), ("2", "1", False), ("0", "0", False), ("0", "2", False)],
)
def test_the_larger_of_both_values_counts(tmp_path: Path, everywhere: str, own: str, strict: bool) -> None:
    """Documentation/networking/ip-sysctl: the maximum of conf/all and conf/INTERFACE is used."""
    for name, value in (("all", everywhere), ("default", "1"), ("eth0", own)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "rp_filter").write_text(value + "\n")
    assert strict_interfaces(tmp_path) == (("eth0",) if strict else ())


@pytest.mark.parametrize(
    ("around", "level", "check"),
    [
        pytest.param(Surroundings(default_route=False), Level.BAD, "default route", id="no way out"),
        pytest.param(Surroundings(default_route=True), Level.GOOD, "default route", id="a way out"),
        pytest.param(Surroundings(input_drops=("-t raw rule",)), Level.BAD, "firewall", id="protocol 41"),
        pytest.param(Surroundings(answer_drops=("-t mangle rule",)), Level.BAD, "firewall", id="answers"),
        pytest.param(Surroundings(absent=("192.0.2.11",)), Level.NOTE, "pool4", id="pool4 elsewhere"),
        pytest.param(Surroundings(silent=("192.0.2.1",)), Level.BAD, "next router", id="next router"),
        pytest.param(Surroundings(strict=("eth0",)), Level.NOTE, "rp_filter eth0", id="strict"),
    ],
)
def test_each_obstacle_is_one_finding(spec: AgentSpec, around: Surroundings, level: Level, check: str) -> None:
    assert [(one.level, one.check) for one in surroundings_judged(around, spec)] == [(level, check)]
