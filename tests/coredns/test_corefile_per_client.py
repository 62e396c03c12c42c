"""Corefile.per-client: kun-dns64 learns from CoreDNS who asked, and answers by client."""

from collections.abc import Callable

import pytest

# The first run builds the program: minutes.
pytestmark = [pytest.mark.coredns, pytest.mark.timeout(1800)]

RULES = """
[[client]]
name = "dual-stack pods"
networks = ["127.0.0.2/32"]
dns64 = false
"""


@pytest.fixture(scope="module")
def chain(make_chain: Callable):
    return make_chain("Corefile.per-client", RULES)


@pytest.mark.parametrize(
    ("source", "expected"),
    [("127.0.0.1", ["2002:cb00:7101::c000:221"]), ("127.0.0.2", []), ("127.0.0.3", ["2002:cb00:7101::c000:221"])],
    ids=["IPv6-only pod", "dual-stack pod keeps the real answer", "another IPv6-only pod gets its own answer"],
)
def test_the_answer_depends_on_who_asked(chain, source: str, expected: list[str]) -> None:
    reply = chain.ask("v4only.example.org.", "AAAA", source=source)
    assert [rdata.to_text() for rrset in reply.answer for rdata in rrset] == expected
