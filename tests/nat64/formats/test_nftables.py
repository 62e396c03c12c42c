import json
from ipaddress import IPv4Address, IPv6Address

import pytest

from kun_base.prefix import Prefix
from kun_nat64.formats import flow_elements, nftables
from kun_nat64.formats.table import FormatError
from kun_nat64.model.facts import OrphanReset, Protocol
from kun_nat64.model.resetfacts import FlowWatch
from kun_nat64.model.traffic import Endpoint4, Endpoint6, Session
from tests.nat64.formats.golden import golden

WATCH = FlowWatch("kun", Prefix.parse("2002:cb00:7101::/96"), 7260, 300, 262144)
OTHER = FlowWatch("kun", Prefix.parse("2002:cb00:7102::/96"), 7260, 300, 262144)
REAL = golden("nft-1.0.6-orphan-reset.json")


def session(port: int) -> Session:
    target = Endpoint6(IPv6Address("2002:cb00:7101::c633:6450"), 80)
    inside = Endpoint6(IPv6Address("2002:a01:2:1::10"), port)
    outside, remote = Endpoint4(IPv4Address("192.0.2.11"), port), Endpoint4(IPv4Address("198.51.100.80"), 80)
    return Session(Protocol.TCP, inside, target, outside, remote, 7000.0, "ESTABLISHED")


def without(text: str, wanted: str) -> str:
    """The listing, less the rules whose comment contains `wanted`."""
    objects = json.loads(text)["nftables"]
    kept = [each for each in objects if wanted not in each.get("rule", {}).get("comment", "")]
    assert len(kept) < len(objects)
    return json.dumps({"nftables": kept})


def test_what_nft_lists_is_the_table_that_was_made() -> None:
    assert nftables.parse(REAL, WATCH).fact == OrphanReset(WATCH, armed=True)


def test_given_resets_are_counted() -> None:
    assert nftables.parse(REAL.replace('"packets": 0', '"packets": 7'), WATCH).resets == 7


def test_a_table_whose_last_step_is_missing_is_not_armed() -> None:
    assert nftables.parse(without(REAL, "kun-nat64 arming"), WATCH).fact == OrphanReset(WATCH, armed=False)


@pytest.mark.parametrize(
    "place", [f"{chain} {n}" for chain in ("from_pod", "to_pod", "known_to_pod", "begin", "orphans") for n in (0, 1)]
)
def test_a_missing_rule_is_drift(place: str) -> None:
    assert nftables.parse(without(REAL, f"kun-nat64 {place}"), WATCH).fact.watch == "changed by another program"


def test_a_rule_of_somebody_else_in_it_is_drift() -> None:
    objects = json.loads(REAL)["nftables"]
    objects.append({"rule": {"family": "ip6", "table": "kun-nat64", "chain": "arming", "expr": [{"drop": None}]}})
    assert nftables.parse(json.dumps({"nftables": objects}), WATCH).fact != OrphanReset(WATCH, armed=True)


def test_a_table_of_another_configuration_says_which() -> None:
    assert nftables.parse(REAL, OTHER).fact == OrphanReset("made for r2 2002:cb00:7101::/96 7260s 300s 262144")


def test_a_table_that_is_not_wanted_any_more_is_seen() -> None:
    assert isinstance(nftables.parse(REAL, None).fact.watch, str)


@pytest.mark.parametrize("text", ["", "garbage", "[]", "{}", '{"nftables": 1}', '{"nftables": [{"rule": {}}]}'])
def test_what_is_not_of_nft_is_an_error(text: str) -> None:
    with pytest.raises(FormatError):
        nftables.parse(text, WATCH)


def test_the_new_table_replaces_the_old_one_in_one_transaction_and_resets_nothing_yet() -> None:
    document = nftables.table(WATCH)
    # Deleting what is not there would fail: it is made first.
    assert document.startswith("table ip6 kun-nat64\ndelete table ip6 kun-nat64\n")
    assert "reject" not in document


def test_only_arming_resets() -> None:
    assert "reject with tcp reset" in nftables.armed(WATCH)


def chain(name: str) -> list[str]:
    return nftables.table(WATCH).split(f"chain {name} {{")[1].split("\n}")[0].strip().splitlines()


def test_a_full_set_stops_the_resets() -> None:
    begin = chain("begin")
    assert begin[1].startswith("update @init")
    assert begin[2].startswith("update @gaps"), "reached where the set is full only"
    assert chain("orphans")[0].startswith("meta l4proto @gaps return")


def test_no_reset_answers_a_reset() -> None:
    lines = chain("from_pod")
    refusing = next(place for place, line in enumerate(lines) if "jump orphans" in line)
    returning = next(place for place, line in enumerate(lines) if "flags & rst == rst return" in line)
    assert returning < refusing


def test_flows_of_jool_are_made_known_some_at_a_time() -> None:
    documents = list(flow_elements.seeds(map(session, range(20000, 20000 + flow_elements.SEEDS_AT_ONCE + 1)), WATCH))
    # Of the 7,000 s that Jool has for it, and its transitory time after that; never longer than for a packet of now.
    assert [document.count("timeout 7061s") for document in documents] == [flow_elements.SEEDS_AT_ONCE, 1]
    first = (
        "add element ip6 kun-nat64 flows { 2002:a01:2:1::10 . 20000 . 2002:cb00:7101::c633:6450 . 80 timeout 7061s, "
    )
    assert documents[0].startswith(first)


def test_without_flows_there_is_nothing_to_make_known() -> None:
    assert list(flow_elements.seeds((), WATCH)) == []
