# ruff: noqa: E501  (a row of a table is one line)
"""Clients that people really use, with kun-dns64 as their resolver on port 53 of a private network namespace."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).parent
P33, P34 = "2002:c633:6440::c000:221", "2002:c633:6440::c000:222"
MANY = frozenset(f"20.0.0.{i}" for i in range(1, 61)) | frozenset(f"2002:c633:6440::1400:{i:x}" for i in range(1, 61))

ADDRESSES: dict[str, frozenset[str]] = {
    "only-a": frozenset({"192.0.2.33", "192.0.2.34", P33, P34}),
    "both": frozenset({"192.0.2.33", "2001:db8::1"}),
    "only-aaaa": frozenset({"2001:db8::1"}),
    "nowhere": frozenset(),
    "empty": frozenset(),
    "hostile": frozenset({"192.0.2.33", P33}),
    "refusing": frozenset({"192.0.2.33", P33}),
    "silent": frozenset({"192.0.2.33", P33}),
    "no-soa": frozenset({"192.0.2.33", P33}),
    "alias": frozenset({"192.0.2.33", P33}),
    "slow": frozenset({"192.0.2.33", P33}),
    "many": MANY,
}
"""What a dual-stack look-up of `<name>.stub.example` finds; stub_stage.py holds the upstream's side of it."""

R33 = "1.2.2.0.0.0.0.c.0.0.0.0.0.0.0.0.0.0.0.0.0.4.4.6.3.3.6.c.2.0.0.2.ip6.arpa."


@dataclass(frozen=True, slots=True)
class Call:
    """A command of one tool and the words its output must and must not have."""

    tool: str
    title: str
    argv: str
    must: tuple[str, ...]
    never: tuple[str, ...] = ("SERVFAIL", "Traceback", "rror")


CALLS = [
    Call("dig", "aaaa", "dig @127.0.0.1 AAAA only-a.stub.example", ("status: NOERROR", "flags: qr rd ra;", P33, P34, "EDE: 29")),
    Call("dig", "short", "dig @::1 +short AAAA both.stub.example", ("2001:db8::1",)),
    Call("dig", "tcp", "dig @127.0.0.1 +tcp AAAA alias.stub.example", ("CNAME", P33, "(TCP)")),
    Call("dig", "truncation", "dig @127.0.0.1 AAAA many.stub.example", ("Truncated, retrying in TCP mode", "ANSWER: 60")),
    Call("dig", "nxdomain", "dig @127.0.0.1 AAAA nowhere.stub.example", ("status: NXDOMAIN", "SOA")),
    Call("dig", "reverse", "dig @127.0.0.1 -x 2002:c633:6440::c000:221", (R33[:20], "CNAME", "33.2.0.192.in-addr.arpa.", "only-a.stub.example.")),
    Call("dig", "prefix", "dig @127.0.0.1 +dns64prefix", ("2002:c633:6440::/96",)),
    Call("dig", "cookie", "dig @127.0.0.1 +cookie AAAA only-a.stub.example", ("COOKIE: ", "(good)", P33)),
    Call("dig", "edns-version-1", "dig @127.0.0.1 +edns=1 +noednsneg AAAA only-a.stub.example", ("status: BADVERS", "version: 0")),
    Call("dig", "unknown-option", "dig @127.0.0.1 +ednsopt=100 AAAA only-a.stub.example", ("NOERROR", P33)),
    Call("dig", "ednsflags", "dig @127.0.0.1 +ednsflags=0x40 AAAA only-a.stub.example", ("NOERROR", P33), ("MBZ",)),
    Call("dig", "no-edns", "dig @127.0.0.1 +noedns AAAA only-a.stub.example", ("NOERROR", P33), ("OPT PSEUDOSECTION",)),
    Call("dig", "opcode-15", "dig @127.0.0.1 +opcode=15 +header-only", ("status: NOTIMP",), ()),
    Call("dig", "type1000", "dig @127.0.0.1 TYPE1000 only-a.stub.example", ("NOERROR", "ANSWER: 0")),
    Call("dig", "nsid-and-expire", "dig @127.0.0.1 +nsid +expire +subnet=0/0 +cookie AAAA only-a.stub.example", ("NOERROR", P33)),
    Call("kdig", "aaaa", "kdig @127.0.0.1 AAAA only-a.stub.example", ("NOERROR", P33, P34)),
    Call("kdig", "tcp", "kdig @::1 +tcp AAAA alias.stub.example", ("CNAME", P33)),
    Call("kdig", "cookie", "kdig @127.0.0.1 +cookie AAAA only-a.stub.example", ("NOERROR", "COOKIE", P33)),
    Call("kdig", "padding", "kdig @127.0.0.1 +padding=128 AAAA only-a.stub.example", ("NOERROR", P33)),
    Call("kdig", "pipelined", "kdig @127.0.0.1 +tcp +keepopen AAAA only-a.stub.example AAAA both.stub.example", (P33, "2001:db8::1")),
    Call("host", "plain", "host only-a.stub.example", ("has address 192.0.2.33", f"has IPv6 address {P33}")),
    Call("getent", "ahosts", "getent ahosts only-a.stub.example", (P33, "192.0.2.33")),
    Call("getent", "reverse", f"getent hosts {P33}", ("only-a.stub.example",)),
    Call("delv", "plain", "delv @127.0.0.1 -i AAAA only-a.stub.example", (P33,)),
]  # fmt: skip


def _builders(directory: Path) -> dict[str, tuple[str, list[str], list[str]]]:
    """Resolver library to (the tool that builds it, how it is built, how it is called)."""
    source, go = str(HERE / "getaddrinfo.c"), str(HERE / "getaddrinfo.go")
    return {
        "glibc": ("gcc", ["gcc", "-o", f"{directory}/glibc", source], [f"{directory}/glibc"]),
        "musl": ("musl-gcc", ["musl-gcc", "-static", "-o", f"{directory}/musl", source], [f"{directory}/musl"]),
        "go": ("go", ["go", "build", "-o", f"{directory}/go", go], [f"{directory}/go"]),
        "python": (sys.executable, [], [sys.executable, "-c", PYTHON]),
        "dnspython": (sys.executable, [], [sys.executable, "-c", DNSPYTHON]),
    }


PYTHON = """
import socket, sys
try:
    print(*{entry[4][0] for entry in socket.getaddrinfo(sys.argv[1], None)}, sep="\\n")
except socket.gaierror as error:
    print("error", error)
"""
DNSPYTHON = """
import dns.resolver, sys
try:
    print(*dns.resolver.resolve_name(sys.argv[1], lifetime=8).addresses(), sep="\\n")
except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer) as error:
    print("error", type(error).__name__)
"""

Results = Mapping[str, tuple[int, str]]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Everything is run once, in one namespace; what could not be built or found has no entry."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("needs unshare (util-linux) and ip (iproute2)")
    if subprocess.run(["unshare", "-rnm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine gives no right to make user, network and mount namespaces (unshare -rnm)")
    directory = tmp_path_factory.mktemp("stub")
    commands = {f"{call.tool} {call.title}": call.argv.split() for call in CALLS if shutil.which(call.tool)}
    for library, (tool, build, run) in _builders(directory).items():
        if shutil.which(tool) and (not build or _built(build)):
            commands |= {f"{library} {name}": [*run, f"{name}.stub.example"] for name in ADDRESSES}
    (directory / "commands.json").write_text(json.dumps(commands))
    done = subprocess.run(
        ["unshare", "-rnm", sys.executable, "-m", "tests.dns64.conformance.stub_stage", str(directory)],
        capture_output=True, text=True, timeout=240, check=False, cwd=HERE.parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((directory / "results.json").read_text())
    assert not found["trouble"]
    return {name: (status, text) for name, (status, text) in found["results"].items()}


def _built(argv: list[str]) -> bool:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    return True


@pytest.mark.parametrize("name", ADDRESSES)
@pytest.mark.parametrize("library", ["glibc", "musl", "go", "python", "dnspython"])
def test_c335_a_stub_resolver_finds_the_right_addresses(results: Results, library: str, name: str) -> None:
    if f"{library} {name}" not in results:
        pytest.skip(f"needs what builds a program with the resolver of {library} (gcc, musl-tools, golang)")
    status, text = results[f"{library} {name}"]
    assert status == 0, text
    found = frozenset(line for line in text.split("\n") if line and not line.startswith("error"))
    if library == "musl" and name == "many":
        # musl asks by UDP without EDNS and, before 1.2.4, not again by TCP: it lives on what a truncated reply contains
        assert found
        assert found <= ADDRESSES[name]
        return
    assert found == ADDRESSES[name], text


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.tool}-{call.title}")
def test_tool_is_content(results: Results, call: Call) -> None:
    if f"{call.tool} {call.title}" not in results:
        pytest.skip(f"needs {call.tool} (Debian packages bind9-dnsutils, bind9-host, knot-dnsutils)")
    status, text = results[f"{call.tool} {call.title}"]
    assert status == 0, text
    assert not [word for word in call.must if word not in text], text
    assert not [word for word in call.never if word in text], text
