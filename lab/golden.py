"""Captures what the real tools print on a gateway: the texts that the tests of kun_nat64/formats read.

    python -m lab golden DIRECTORY [--name LAB]

The lab must run. File names carry the tools' versions, so that another version lies beside the old one.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from lab.api import Lab
from lab.evidence import embedded

GATEWAY = "gw1"
PROTOCOLS = ("tcp", "udp", "icmp")
# A number to each tool: the first dotted one that it prints.
VERSIONS = {"jool": "--version", "gobgp": "--version", "iptables": "--version", "ip": "-V", "nft": "--version"}
TABLE = "79"
# Nobody's: what `jool` says of what is not there is an answer that we read, too.
COMPLAINTS = (
    "jool -i none global display --csv",
    "jool -i kun global update tcp-est-timeout 10",
    "jool -i kun pool4 add 300.1.1.1 1-2 --tcp",
    "jool instance add kun2 --netfilter --pool6 64:ff9b::/96",
    "jool -i kun global update pool6 64:ff9b::/96",
    "jool -i kun bogus",
)


# Answers of GoBGP's API as hex, one message a line: the agent's own client asks, so that its requests are tried, too.
GOBGP = "gobgp --target unix:///run/gobgpd/api.sock"
ASK_API = """
import asyncio, sys
from kun_nat64.drivers.grpc import GrpcClient, Unimplemented
from kun_nat64.formats.gobgpapi import V3, V4, list_paths, list_peers

QUESTIONS = {
    "peers": ("ListPeer", lambda dialect: list_peers()),
    "paths-ipv4": ("ListPath", lambda dialect: list_paths(dialect, 4)),
    "paths-ipv6": ("ListPath", lambda dialect: list_paths(dialect, 6)),
    "adj-out": ("ListPath", lambda dialect: list_paths(dialect, 4, sys.argv[2])),
}

async def ask(method, request):
    for dialect in (V4, V3):
        try:
            client = GrpcClient("unix:///run/gobgpd/api.sock")
            return await client.call(f"/{dialect.service}/{method}", request(dialect), 10.0)
        except Unimplemented:
            pass

for answer in asyncio.run(ask(*QUESTIONS[sys.argv[1]])):
    print(answer.hex())
"""
API_QUESTIONS = ("peers", "paths-ipv4", "paths-ipv6", "adj-out")


def capture(lab: Lab, directory: Path) -> list[Path]:
    """Makes some traffic through one gateway, asks its tools, and writes one file for each answer."""
    directory.mkdir(parents=True, exist_ok=True)
    make_traffic(lab)
    try:
        versions = {tool: version_of(lab, tool, option) for tool, option in VERSIONS.items()}
        return [write(lab, directory, versions, *question) for question in questions(lab)]
    finally:
        clear(lab)


def write(lab: Lab, directory: Path, versions: dict[str, str], stem: str, suffix: str, command: str) -> Path:
    """Ask one question and write the answer; the file's name carries the version of the tool."""
    path = directory / f"{stem_with_version(stem, versions)}{suffix}"
    path.write_text(lab.run(GATEWAY, "sh", "-c", command, check=False).stdout)
    return path


def make_traffic(lab: Lab) -> None:
    """One flow of each protocol through `GATEWAY`, whatever the TOR's hash says."""
    inside, plan = lab.topology.gateway(GATEWAY).inside, lab.topology
    # A path of the other family, with no MED: no default of the lab makes one.
    inject(lab, "add", "nexthop", "fd00::2")
    lab.run("tor", "ip", "route", "replace", "203.0.113.1", "via", inside, "table", TABLE)
    lab.run("tor", "ip", "rule", "add", "to", "203.0.113.1", "lookup", TABLE, "pref", TABLE)
    try:
        lab.run("pod", "ping", "-6", "-c", "1", embedded(plan.ping_server), check=False)
        lab.run("pod", "curl", "-s", "-o", "/dev/null", f"http://[{embedded(plan.web_server)}]/", check=False)
        lab.run("pod", "dig", "+short", f"@{embedded(plan.dns_server)}", f"www.{plan.zone}", check=False)
    finally:
        lab.run("tor", "ip", "rule", "del", "pref", TABLE)
        lab.run("tor", "ip", "route", "flush", "table", TABLE)


def clear(lab: Lab) -> None:
    """Take back what the capture put in."""
    inject(lab, "del")


def inject(lab: Lab, action: str, *attributes: str) -> None:
    argv = (*GOBGP.split(), "global", "rib", action, "-a", "ipv6", "2002:cb00:7101::/48", *attributes)
    # The command gives up after a second, which is too short for a busy emulated processor now and then.
    lab.wait_for(lambda: lab.run(GATEWAY, *argv, check=False).code == 0, 60.0, f"{' '.join(argv)} on {GATEWAY}")


def version_of(lab: Lab, tool: str, option: str) -> str:
    done = lab.run(GATEWAY, tool, option, check=False)
    found = re.search(r"\d+\.\d+(\.\d+)?", done.stdout + done.stderr)
    return found.group() if found else "unknown"


def stem_with_version(stem: str, versions: dict[str, str]) -> str:
    """`jool-global` becomes `jool-4.1.9-global`."""
    tool, _, rest = stem.partition("-")
    return f"{tool}-{versions[tool]}-{rest}"


def questions(lab: Lab) -> Iterator[tuple[str, str, str]]:
    """Stem and suffix of the file, and the shell command whose standard output it holds."""
    kun = "jool -i kun"
    peer = lab.topology.gateway(GATEWAY).tor
    yield "jool-global", ".csv", f"{kun} global display --csv"
    yield "jool-instance", ".csv", "jool instance display --csv"
    yield "jool-stats", ".csv", f"{kun} stats display --csv"
    yield "jool-stats-all", ".csv", f"{kun} stats display --all --csv"
    yield "jool-status", ".txt", f"{kun} instance status"
    for protocol in PROTOCOLS:
        yield f"jool-pool4-{protocol}", ".csv", f"{kun} pool4 display --{protocol} --csv"
        yield f"jool-bib-{protocol}", ".csv", f"{kun} bib display --{protocol} --numeric --csv"
        yield f"jool-session-{protocol}", ".csv", f"{kun} session display --{protocol} --numeric --csv"
    yield "jool-errors", ".txt", "; ".join(f"echo '$ {each}'; {each} 2>&1; echo rc $?" for each in COMPLAINTS)
    yield "iptables-nft-iptables-save", ".txt", "iptables-save -c"
    yield "iptables-nft-ip6tables-save", ".txt", "ip6tables-save -c"
    for question in API_QUESTIONS:
        yield f"gobgp-api-{question}", ".hex", f"/opt/kun/current/bin/python - {question} {peer} <<'END'{ASK_API}END"
    yield "nft-orphan-reset", ".json", "nft -t -j list table ip6 kun-nat64"
    yield "ip-route-get", ".txt", f"ip -o -4 route get {lab.topology.web_server}"
    yield "ip-address", ".txt", "ip -o -4 address show"
    yield "ip-neigh", ".txt", "ip -4 neigh show dev eth1"
