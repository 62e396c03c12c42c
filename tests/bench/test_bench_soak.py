"""The soak run: what counts as wrong, what counts as growth, and policies that are loaded as meant."""

import shutil
import socket
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import dns.flags
import dns.message
import dns.rrset
import pytest

from bench.ctools import LoadReport, compiled, parse_load
from bench.names import name_of, names
from bench.queries import framed, opt_record, query
from bench.soak.client import fault
from bench.soak.policy import configuration, prefix, prefix_hex, right
from bench.soak.verdict import Asked, Sample, Verdict
from kun_dns64.config.load import load
from kun_dns64.config.resolve import resolve
from tests.ports import free_port

LOAD = LoadReport(1000, 1000, 0, 0, 0, 0, 0, 1.0, 10.0, 20.0, 30.0, 40.0)
FLAT = tuple(Sample(float(at), 60_000 + at % 3 * 200, 0.0) for at in range(100))
GOOD = Verdict(1000.0, LOAD, Asked(10, 0, ()), 3, 3, FLAT)
IPV4 = IPv4Address("198.18.0.5")


def using(rss_kb: Callable[[int], int]) -> Verdict:
    return replace(GOOD, samples=tuple(Sample(float(at), rss_kb(at), 0.0) for at in range(100)))


def answered(wire: bytes, address: str, name: str = "") -> bytes:
    asked = dns.message.from_wire(wire)
    reply = dns.message.make_response(asked)
    if address:
        reply.answer.append(dns.rrset.from_text(name or asked.question[0].name, 5, "IN", "AAAA", address))
    return reply.to_wire()


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_policy_is_loaded_with_its_prefix(tmp_path: Path, number: int) -> None:
    path = tmp_path / "kun.toml"
    path.write_text(configuration(5301, (5303, 5304), 2, number))
    rules = resolve(load(path)).rules
    assert [str(one) for one in rules.prefixes] == [str(prefix(number))]
    assert right(number, IPV4) in prefix(number)
    assert prefix(number).network_address.packed.hex().startswith(prefix_hex(number))
    assert prefix(number) != prefix(number + 1)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda wire: answered(wire, str(right(0, IPV4))), ""),
        (lambda wire: answered(wire, str(right(1, IPV4))), "2002:cb00:7102::c612:5, not"),
        (lambda wire: answered(wire, str(right(0, IPV4 + 1))), "not 2002:cb00:7101::c612:5"),
        (lambda wire: answered(wire, ""), "rcode 0, 0 records"),
        (lambda wire: answered(wire, str(right(0, IPV4))).replace(b"n000005", b"N000005"), "byte for byte"),
    ],
    ids=["right", "old-policy", "other-address", "nodata", "other-case"],
)
def test_the_client_tells_wrong_answers_from_right_ones(answer, told: str) -> None:
    wire = query(name_of(5), opt_record(b"12345678"))
    found = fault(wire, answer(wire), [right(0, IPV4)])
    assert told in found
    assert bool(found) == bool(told)


@pytest.mark.parametrize(
    ("verdict", "good"),
    [
        (GOOD, True),
        (replace(GOOD, load=replace(LOAD, wrong=1)), False),
        (replace(GOOD, asked=Asked(10, 0, ("n000005: no",))), False),
        (using(lambda at: 60_000 + at * 200), False),
        (using(lambda at: 60_000 + min(30, at) * 999), True),
        (using(lambda at: 160_000 if at == 80 else 60_000), True),
        (replace(GOOD, load=replace(LOAD, answered=980)), False),
    ],
    ids=["good", "wrong", "wrong-for-policy", "grows", "fills-first", "one-peak", "unanswered"],
)  # fmt: skip
def test_wrong_answers_and_growth_are_faults(verdict: Verdict, good: bool) -> None:
    assert verdict.good == good
    assert verdict.text().strip().splitlines()[-1].startswith("good" if good else "NOT GOOD")


@pytest.mark.skipif(not shutil.which("gcc"), reason="gcc is missing")
@pytest.mark.parametrize(("shift", "wrong"), [(0, 0), (1, 64), (None, 64)], ids=["right", "other-address", "no-record"])
def test_the_load_program_checks_every_answer(tmp_path: Path, shift: int | None, wrong: int) -> None:
    (tmp_path / "queries").write_bytes(framed(query(name) for name in names(64)))
    port = free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", port))
        server.settimeout(5)
        thread = threading.Thread(target=serve, args=(server, 64, shift))
        thread.start()
        argv = [compiled("load", tmp_path), "window", 8, "127.0.0.1", port, 1, 5, 1, tmp_path / "queries"]
        done = subprocess.run(
            [str(one) for one in argv] + [prefix_hex(0), prefix_hex(1)], capture_output=True, text=True, check=True
        )
        thread.join()
    report = parse_load(done.stdout)
    assert (report.answered, report.wrong) == (64, wrong)


def serve(server: socket.socket, count: int, shift: int | None) -> None:
    for number in range(count):
        wire, client = server.recvfrom(512)
        index = int(dns.message.from_wire(wire).question[0].name.labels[0][1:])
        address = right(number, IPv4Address("198.18.0.0") + index + (shift or 0))
        server.sendto(answered(wire, "" if shift is None else str(IPv6Address(address))), client)
