"""Every rule of ours that drops has a reason, and every reason its words, in the code and in the documents."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kun_nat64.config.load import from_data
from kun_nat64.formats import nftables
from kun_nat64.model.facts import Chain, RuleCounter
from kun_nat64.model.spec import AgentSpec
from kun_nat64.policy.desired import flow_watch, own_tables
from kun_nat64.policy.drop_reasons import COUNTED, WORDS, DropReason, by_reason, drops, reason_of
from kun_nat64.policy.exhaustion import refusals
from kun_nat64.policy.ruleset import rules
from tests.nat64.conftest import SHIPPED

NATIVE = SHIPPED.with_name("kun-nat64-native.toml")
MONITORING = Path(__file__).parents[3] / "docs" / "monitoring.md"


def counters(spec: AgentSpec) -> list[RuleCounter]:
    found = []
    for fact in rules(spec):
        if isinstance(fact, Chain):
            found += [RuleCounter(fact.family, fact.table, fact.name, text, 1, 60) for text in fact.rules]
        else:
            found.append(RuleCounter(fact.family, fact.table, fact.chain, fact.spec, 1, 60))
    return found


@pytest.mark.parametrize(
    "sections",
    [
        pytest.param({}, id="6to4"),
        pytest.param({"gateway": {"check_source": True}}, id="sources checked"),
        pytest.param({"fleet": {"ring": True}}, id="ring"),
    ],
)
def test_every_rule_that_drops_has_a_reason(spec_with: Callable[..., AgentSpec], sections: dict[str, Any]) -> None:
    for one in counters(spec_with(**sections)):
        assert (reason_of(one) is not None) == one.spec.endswith("-j DROP"), one


def test_native_packets_are_dropped_for_reasons_too() -> None:
    data = tomllib.loads(NATIVE.read_text())
    data["fleet"]["listen"], data["nat64"]["session_log"] = "", ""
    found = [reason_of(one) for one in counters(from_data(data, "test")) if one.spec.endswith("-j DROP")]
    assert None not in found
    assert {DropReason.NOT_A_CLIENT, DropReason.SOURCE_IN_POOL6, DropReason.NOT_TRANSLATED} <= set(found)


def test_reasons_are_told_apart(spec: AgentSpec) -> None:
    found = by_reason(drops(counters(spec), (("ip6 kun-nat64-full", "pods", 7), ("ip6 kun-nat64", "fresh", 9)), 3))
    assert found.pop(DropReason.NEVER_REACH) > 5
    assert found == {
        DropReason.NO_PORT_LEFT: 7,
        DropReason.TOO_MANY_NEW_FLOWS: 9,
        DropReason.TENANT_DENIED: 3,
        DropReason.NOT_A_CLIENT: 1,
        DropReason.TUNNEL_FROM_OUTSIDE: 2,  # to the VIP, and to this gateway's address in the ring
        DropReason.NOT_BY_INSIDE: 1,
        DropReason.NOT_TO_POOL6: 1,
        DropReason.SOURCE_NOT_6TO4: 1,
        DropReason.SOURCE_IN_POOL6: 1,
        DropReason.NOT_TRANSLATED: 2,  # from the 6to4 tunnel, and from the ring's tunnels
    }


def test_tables_whose_counters_have_a_reason_are_ours(spec: AgentSpec) -> None:
    tables = {(one.name, chain.name) for one in (*own_tables(spec), refusals(spec)) for chain in one.chains}
    assert COUNTED.keys() - tables == {(nftables.TABLE, nftables.FRESH)}
    watch = flow_watch(spec)
    assert watch is not None
    assert f"chain {nftables.FRESH} " in nftables.table(watch)


def test_every_reason_has_words_and_a_line_in_the_documents() -> None:
    assert WORDS.keys() == set(DropReason)
    text = MONITORING.read_text()
    assert [reason for reason in DropReason if f"| `{reason}` |" not in text] == []
