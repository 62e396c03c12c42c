"""gateway-config/coredns/Corefile in real CoreDNS in front of real kun-dns64."""

import time
from collections.abc import Callable

import dns.message
import dns.rcode
import pytest

# The first run builds the program: minutes.
pytestmark = [pytest.mark.coredns, pytest.mark.timeout(1800)]

OWN = "web.default.svc.cluster.local."
LEGACY = "legacy.default.svc.cluster.local."


@pytest.fixture(scope="module")
def chain(make_chain: Callable):
    return make_chain("Corefile", "")


def values(reply: dns.message.Message, kind: str) -> list[str]:
    return sorted(rdata.to_text() for rrset in reply.answer if rrset.rdtype.name == kind for rdata in rrset)


def until(look: Callable[[], bool], what: str, deadline_s: float = 10) -> None:
    end = time.monotonic() + deadline_s
    while not look():
        assert time.monotonic() < end, what
        time.sleep(0.1)


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("v4only.example.org.", "AAAA", ["2002:cb00:7101::c000:221"]),
        ("v4only.example.org.", "A", ["192.0.2.33"]),
        ("dual.example.org.", "AAAA", ["2001:db8::34"]),
        ("alias.example.org.", "AAAA", ["2002:cb00:7101::c000:221"]),
        ("plain.example.org.", "AAAA", []),
        ("plain.example.org.", "TXT", ['"no address at all"']),
        ("ipv4only.arpa.", "AAAA", ["2002:cb00:7101::c000:aa", "2002:cb00:7101::c000:ab"]),
        (OWN, "AAAA", ["2001:db8::80"]),
        (OWN, "A", ["192.0.2.80"]),
        (LEGACY, "A", ["192.0.2.81"]),
        (LEGACY, "AAAA", []),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_answers_through_both(chain, name: str, kind: str, expected: list[str], tcp: bool) -> None:
    reply = chain.ask(name, kind, tcp=tcp)
    assert reply.rcode() == dns.rcode.NOERROR
    assert values(reply, kind) == expected


def test_the_alias_stays_in_the_answer(chain) -> None:
    assert values(chain.ask("alias.example.org.", "AAAA"), "CNAME") == ["v4only.example.org."]


def test_a_name_that_does_not_exist_stays_so(chain) -> None:
    assert chain.ask("nowhere.example.org.", "AAAA").rcode() == dns.rcode.NXDOMAIN
    assert chain.ask("nowhere.cluster.local.", "AAAA").rcode() == dns.rcode.NXDOMAIN


def test_the_own_zone_never_reaches_kun_dns64(chain) -> None:
    chain.ask(LEGACY, "AAAA")
    assert [name for name, _ in chain.authority.asked if name.endswith("cluster.local.")] == []


def test_an_answer_too_big_for_udp_comes_whole_by_tcp(chain) -> None:
    crowd = values(chain.ask("crowd.example.org.", "AAAA", tcp=True), "AAAA")
    assert len(crowd) == 80
    assert all(address.startswith("2002:cb00:7101::c000:2") for address in crowd)


def test_the_second_answer_comes_from_coredns_own_cache(chain) -> None:
    hits = chain.metric("coredns_cache_hits_total")
    first = chain.ask("fresh0.example.org.", "AAAA")
    time.sleep(1.1)
    second = chain.ask("fresh0.example.org.", "AAAA")
    # CoreDNS counts after it has answered.
    until(lambda: chain.metric("coredns_cache_hits_total") > hits, "no hit counted")
    assert chain.metric("coredns_cache_hits_total") == hits + 1
    assert values(second, "AAAA") == values(first, "AAAA") == ["2002:cb00:7101::c000:228"]
    assert second.answer[0].ttl < first.answer[0].ttl <= 30


def test_the_health_check_finds_the_dead_one_of_the_two(chain) -> None:
    until(lambda: chain.metric("coredns_proxy_healthcheck_failures_total") > 0, "no failure counted")
    for number in range(1, 10):
        assert values(chain.ask(f"fresh{number}.example.org.", "A"), "A") == ["192.0.2.40"]


def test_after_a_restart_of_kun_dns64_the_answers_are_back(chain) -> None:
    chain.dns64.stop()
    until(lambda: fails(chain), "still answered")
    chain.start_dns64()
    until(lambda: not fails(chain), "no answer after the restart")
    assert values(chain.ask("fresh10.example.org.", "AAAA"), "AAAA") == ["2002:cb00:7101::c000:228"]


def fails(chain) -> bool:
    # A name per question: what CoreDNS remembers would answer for the dead.
    fails.number += 1  # type: ignore[attr-defined]
    return chain.ask(f"never-asked-{fails.number}.example.org.", "A").rcode() == dns.rcode.SERVFAIL  # type: ignore[attr-defined]


fails.number = 0  # type: ignore[attr-defined]
