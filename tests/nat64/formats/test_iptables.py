from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun_nat64.formats.iptables import canonical_spec, parse_save, restore_input
from kun_nat64.formats.table import FormatError
from kun_nat64.model.facts import Chain, Family, Rule
from kun_nat64.model.plan import Action, Change
from tests.nat64.formats.golden import golden

MSS = "-p tcp -m tcp --tcp-flags SYN,RST SYN -m comment --comment kun-nat64 -j TCPMSS --set-mss 1420"
PRE = Rule(Family.IPV6, "mangle", "PREROUTING", f"-d 2002:cb00:7101::/96 {MSS}")
POST = Rule(Family.IPV6, "mangle", "POSTROUTING", f"-s 2002:cb00:7101::/96 {MSS}")
CLIENTS = Chain(
    Family.IPV4,
    "filter",
    "KUN-NAT64-CLIENTS",
    ("-s 169.254.64.2/32 -i kunprobe -j RETURN", "-s 10.0.0.0/8 -j RETURN", "-j DROP"),
)


def save(table: str, *rules: str) -> str:
    return "\n".join([f"*{table}", ":PREROUTING ACCEPT [0:0]", *rules, "COMMIT", ""])


@pytest.mark.parametrize("backend", ["nft", "legacy"])
def test_what_we_wrote_is_read_back_the_same(backend: str) -> None:
    saved = parse_save(golden(f"iptables-1.8.9-{backend}-ip6tables-save.txt"), Family.IPV6)
    assert {fact for fact in saved.facts if isinstance(fact, Rule) and fact.table == "mangle"} == {PRE, POST}
    chains = [fact for fact in saved.facts if isinstance(fact, Chain)]
    assert [chain.name for chain in chains] == ["KUN-NAT64-PODS"]
    assert chains[0].rules[-1] == "! -s 2002::/16 -j DROP"
    assert saved.nftables is (backend == "nft")


def test_the_name_that_the_machine_has_for_protocol_41_does_not_matter() -> None:
    saved = parse_save(golden("iptables-1.8.9-nft-iptables-save.txt"), Family.IPV4)
    jump = "-d 203.0.113.1/32 -p 41 -m comment --comment kun-nat64 -j KUN-NAT64-CLIENTS"
    assert saved.facts == {CLIENTS, Rule(Family.IPV4, "filter", "INPUT", jump)}


def test_packets_and_bytes_are_counted() -> None:
    saved = parse_save(golden("iptables-1.8.9-nft-ip6tables-save.txt"), Family.IPV6)
    by_spec = {counter.spec: counter for counter in saved.counters if counter.table == "mangle"}
    assert by_spec[PRE.spec].packets > 0
    assert by_spec[PRE.spec].byte_count >= 40 * by_spec[PRE.spec].packets


def test_rules_without_our_comment_are_nobody_of_ours() -> None:
    foreign = PRE.spec.replace("-m comment --comment kun-nat64 ", "")
    other = PRE.spec.replace("kun-nat64", "kun-nat64-lookalike")
    text = save("mangle", f"-A PREROUTING {foreign}", f"-A PREROUTING {other}")
    assert parse_save(text, Family.IPV6).facts == frozenset()


def test_a_comment_in_quotes_is_the_same_comment() -> None:
    quoted = PRE.spec.replace("kun-nat64", '"kun-nat64"')
    assert parse_save(save("mangle", f"-A PREROUTING {quoted}"), Family.IPV6).facts == {PRE}


SHADOWS = {
    "accept": ("-A PREROUTING -i eth0 -j ACCEPT", True),
    "return": ("-A PREROUTING -j RETURN", True),
    "drop": ("-A PREROUTING -p tcp -j DROP", True),
    "a jump to a chain that is empty": ("-A PREROUTING -j OTHER-CHAIN", False),
    "a counter": ("-A PREROUTING -p tcp", False),
    "another chain's": ("-A POSTROUTING -j ACCEPT", False),
}


@pytest.mark.parametrize(("before", "hidden"), SHADOWS.values(), ids=SHADOWS.keys())
def test_a_rule_behind_a_foreign_one_that_ends_the_chain_is_shadowed(before: str, hidden: bool) -> None:
    (rule,) = parse_save(save("mangle", before, f"-A PREROUTING {PRE.spec}"), Family.IPV6).facts
    assert isinstance(rule, Rule)
    assert rule.shadowed is hidden


INNER = {
    "accepts all": (("-A FW -j ACCEPT",), "j", True),
    "accepts some": (("-A FW -p tcp -j LOG", "-A FW -s fd00::/8 -j ACCEPT"), "j", True),
    "returns": (("-A FW -j RETURN",), "j", False),
    "counts and marks": (("-A FW -p tcp", "-A FW -j MARK --set-xmark 0x1/0xffffffff"), "j", False),
    "two jumps deep": (("-A FW -j FW2", "-A FW2 -g FW3", "-A FW3 -j DROP"), "j", True),
    "in a circle": (("-A FW -j FW2", "-A FW2 -j FW"), "j", False),
    "goes there and not back": (("-A FW -j RETURN",), "g", True),
    "another table's": ((), "j", False),
}


@pytest.mark.parametrize(("inside", "how", "hidden"), INNER.values(), ids=INNER.keys())
def test_a_jump_counts_as_what_its_chain_can_do(inside: tuple[str, ...], how: str, hidden: bool) -> None:
    """iptables-save prints a chain's rules after those of the chain that jumps there, too."""
    lines = (f"-A PREROUTING -{how} FW", f"-A PREROUTING {PRE.spec}")
    for order in ((*lines, *inside), (*inside, *lines)):
        text = save("raw", "-A FW -j ACCEPT") + save("mangle", *order)
        (rule,) = parse_save(text, Family.IPV6).facts
        assert isinstance(rule, Rule)
        assert rule.shadowed is hidden


def test_a_rule_before_the_foreign_one_is_not_shadowed() -> None:
    text = save("mangle", f"-A PREROUTING {PRE.spec}", "-A PREROUTING -j ACCEPT", f"-A PREROUTING {PRE.spec}")
    assert parse_save(text, Family.IPV6).facts == {PRE}


def test_changes_of_one_family_are_one_document_and_new_rules_stand_first() -> None:
    documents = restore_input([Change(Action.ADD, CLIENTS), Change(Action.ADD, PRE), Change(Action.REMOVE, POST)])
    assert documents == {
        Family.IPV4: (
            "*filter\n:KUN-NAT64-CLIENTS - [0:0]\n"
            + "".join(f"-A KUN-NAT64-CLIENTS {rule}\n" for rule in CLIENTS.rules)
            + "COMMIT\n"
        ),
        Family.IPV6: f"*mangle\n-I PREROUTING 1 {PRE.spec}\n-D POSTROUTING {POST.spec}\nCOMMIT\n",
    }


def test_a_chain_is_emptied_before_it_is_deleted() -> None:
    documents = restore_input([Change(Action.REMOVE, CLIENTS)])
    assert documents[Family.IPV4] == "*filter\n-F KUN-NAT64-CLIENTS\n-X KUN-NAT64-CLIENTS\nCOMMIT\n"


def test_a_shadowed_rule_is_moved_to_the_front() -> None:
    documents = restore_input([Change(Action.REPLACE, PRE, PRE)])
    assert documents[Family.IPV6] == f"*mangle\n-D PREROUTING {PRE.spec}\n-I PREROUTING 1 {PRE.spec}\nCOMMIT\n"


def test_what_is_not_of_iptables_save_is_refused() -> None:
    for text in ("garbage\n", ":INPUT ACCEPT [0:0]\n", "*filter\nsomething else\n"):
        with pytest.raises(FormatError):
            parse_save(text, Family.IPV4)


@given(st.text(max_size=200))
def test_no_text_makes_the_parser_fail_in_another_way(text: str) -> None:
    try:
        parse_save("*filter\n" + text, Family.IPV4)
    except FormatError:
        return


def test_canonical_text_is_stable() -> None:
    spec = f"-d {IPv4Address('203.0.113.1')}/32 -p ipv6 -j DROP"
    assert canonical_spec(canonical_spec(spec)) == canonical_spec(spec) == "-d 203.0.113.1/32 -p 41 -j DROP"
