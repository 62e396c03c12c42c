"""What the operator decides: clients, zones, pools, gateways, shadow mode."""

from ipaddress import IPv4Address, IPv4Network, ip_address, ip_network

import pytest

from kun_dns64.formats.client_subnet import write_subnet
from kun_dns64.model.rules import ClientPolicy, GatewayDown, Pool, Rules, Zone, ZoneMode
from kun_dns64.model.step import Reply
from kun_dns64.policy.suffix import build_suffix_set

from ..world import Outcome, P, Run, answer, bare_nodata, error, lost, nodata, nxdomain, prefix, query, run, wire_name
from ..world import rules as changed_rules

A33 = answer("w 3600 A 192.0.2.33")
UPSTREAM = {"w AAAA": nodata(), "w A": A33}
OTHER = prefix("2001:db8:a::/96")
ECS = 8


def synth(under: Rules, name: str = "w", **asking: object) -> Run:
    a = answer(f"{name} 3600 A 192.0.2.33")
    return run(query(name, "AAAA", **asking), {f"{name} AAAA": nodata(), f"{name} A": a}, under)


@pytest.mark.parametrize("source", ["192.0.2.1", "2001:dead::1", "::ffff:192.0.2.1"])
@pytest.mark.parametrize("qtype", ["A", "AAAA", "PTR"])
def test_strangers_are_refused(source: str, qtype: str) -> None:
    got = run(query("w", qtype, source=ip_address(source)), {})
    assert (got.rcode, got.edes, got.rule) == ("REFUSED", [18], "refused-client")


@pytest.mark.parametrize("source", ["127.0.0.1", "::ffff:127.0.0.1", "2001:db8::1"])
def test_allowed_clients_are_served(source: str) -> None:
    assert run(query("w", "A", source=ip_address(source)), {"w A": A33}).rcode == "NOERROR"


def test_an_empty_list_of_clients_allows_nobody() -> None:
    assert run(query("w", "A"), {}, changed_rules(allow_clients=())).rcode == "REFUSED"


DUAL = ClientPolicy("dual", (ip_network("2001:db8:d::/48"),), dns64=False)
V6ONLY = ClientPolicy("v6", (ip_network("2001:db8:6::/48"), ip_network("2001:db8:d::/48")), filter_a=True)
FORCED = ClientPolicy("forced", (ip_network("2001:db8:f::/48"),), pool="far")
CLIENTS = changed_rules(clients=(DUAL, V6ONLY, FORCED), pools=(Pool("far", (OTHER,)),))


def test_clients_without_dns64_keep_real_answers_only() -> None:
    got = run(query("w", "AAAA", source=ip_address("2001:db8:d::1")), {"w AAAA": nodata()}, CLIENTS)
    assert (got.rcode, got.lines, got.rule) == ("NOERROR", [], "not-for-client")


def test_filter_a_hides_ipv4_and_synthesis_goes_on() -> None:
    source = ip_address("2001:db8:6::1")
    got = run(query("w", "A", source=source), {"w A": A33}, CLIENTS)
    assert (got.rcode, got.lines, got.edes, got.rule) == ("NOERROR", [], [17], "filtered-a")
    assert synth(CLIENTS, source=source).rule == "synthesised-nodata"


def test_the_first_client_policy_that_matches_wins() -> None:
    assert run(query("w", "A", source=ip_address("2001:db8:d::1")), {"w A": A33}, CLIENTS).lines != []


def test_a_client_can_be_forced_into_a_pool() -> None:
    assert synth(CLIENTS, source=ip_address("2001:db8:f::1")).lines == ["w 300 AAAA 2001:db8:a::c000:221"]


FORWARDER = ip_address("2001:db8::53")
TRUSTING = changed_rules(clients=(DUAL,), trust_ecs_from=(ip_network("2001:db8::53/128"),))


def ecs(text: str) -> tuple[tuple[int, bytes], ...]:
    return ((ECS, write_subnet(ip_network(text))),)


@pytest.mark.parametrize(
    ("subnet", "rule"),
    [
        ("2001:db8:d::/56", "not-for-client"),
        ("2001:db8:d::/48", "not-for-client"),
        ("2001:db8:d::/47", "synthesised-nodata"),
        ("2001:db8:e::/56", "synthesised-nodata"),
    ],
)
def test_a_trusted_forwarder_names_the_client(subnet: str, rule: str) -> None:
    if subnet.endswith("/47"):
        subnet = "2001:db8:c::/47"
    upstream = {"w AAAA": nodata()} | ({"w A": A33} if rule.startswith("synth") else {})
    assert run(query("w", "AAAA", source=FORWARDER, options=ecs(subnet)), upstream, TRUSTING).rule == rule


def test_a_stranger_to_ecs_is_not_believed() -> None:
    assert (
        synth(TRUSTING, source=ip_address("2001:db8::54"), options=ecs("2001:db8:d::/56")).rule == "synthesised-nodata"
    )


@pytest.mark.parametrize("data", [b"ab", b"\x00\x01\x21\x00abcde", b"\x00\x01\x18\x00abcd"])
def test_a_malformed_subnet_from_a_trusted_forwarder_is_formerr(data: bytes) -> None:
    options = ((ECS, data),)
    assert run(query("w", "AAAA", source=FORWARDER, options=options), {}, TRUSTING).rcode == "FORMERR"
    assert synth(TRUSTING, source=ip_address("2001:db8::54"), options=options).rule == "synthesised-nodata"


def test_ecs_goes_upstream_only_where_wanted_and_trusted() -> None:
    options = ecs("2001:db8:e::/56")
    assert synth(TRUSTING, source=FORWARDER, options=options).asks[0].flags.subnet == b""
    passing = changed_rules(trust_ecs_from=TRUSTING.trust_ecs_from, client_subnet=True)
    assert synth(passing, source=FORWARDER, options=options).asks[0].flags.subnet == options[0][1]
    assert synth(passing, source=ip_address("2001:db8::54"), options=options).asks[0].flags.subnet == b""


ZONES = changed_rules(
    zones=(
        Zone(wire_name("local"), ZoneMode.NEVER),
        Zone(wire_name("yes.local"), ZoneMode.NORMAL, group="yes"),
        Zone(wire_name("Force.example"), ZoneMode.FORCE),
    )
)


def test_never_zones_are_not_synthesised_and_the_a_is_not_asked() -> None:
    got = run(query("svc.cluster.local.", "AAAA"), {"svc.cluster.local. AAAA": nodata()}, ZONES)
    assert (got.lines, got.rule) == ([], "not-for-zone")


def test_the_longest_suffix_wins_and_brings_its_upstreams() -> None:
    got = synth(ZONES, "a.yes.local.")
    assert got.rule == "synthesised-nodata"
    assert {ask.group for ask in got.asks} == {"yes"}


def test_a_suffix_matches_whole_labels_only() -> None:
    assert synth(ZONES, "xlocal.").rule == "synthesised-nodata"


FORCE = "w.force.example."


def test_force_ignores_real_aaaa() -> None:
    got = run(query(FORCE, "AAAA"), {f"{FORCE} A": answer(f"{FORCE} 900 A 192.0.2.33")}, ZONES)
    assert got.lines == [f"{FORCE} 600 AAAA 2002:c633:6440::c000:221"]
    assert got.rule == "synthesised-forced"


@pytest.mark.parametrize("a", [nodata(), bare_nodata(), error(), answer(f"{FORCE} 60 A 127.0.0.1")])
def test_force_falls_back_to_real_aaaa(a: object) -> None:
    real = answer(f"{FORCE} 60 AAAA 2001:db8::1")
    got = run(query(FORCE, "AAAA"), {f"{FORCE} A": a, f"{FORCE} AAAA": real}, ZONES)  # type: ignore[dict-item]
    assert (got.lines, got.rule) == ([f"{FORCE} 60 AAAA 2001:db8::1"], "real-aaaa")


@pytest.mark.parametrize(
    ("a", "rcode", "rule"),
    [
        (nodata(), "NOERROR", "no-a"),
        (answer(f"{FORCE} 60 A 127.0.0.1"), "NOERROR", "ipv4-denied"),
        (error(), "SERVFAIL", "a-failed"),
    ],
)
def test_force_does_not_fall_back_to_excluded_aaaa(a: object, rcode: str, rule: str) -> None:
    real = answer(f"{FORCE} 60 AAAA ::ffff:192.0.2.1")
    got = run(query(FORCE, "AAAA"), {f"{FORCE} A": a, f"{FORCE} AAAA": real}, ZONES)  # type: ignore[dict-item]
    assert (got.lines, got.rcode, got.rule) == ([], rcode, rule)


def test_force_falls_back_to_what_exclusion_leaves() -> None:
    real = answer(f"{FORCE} 60 AAAA ::ffff:192.0.2.1\n{FORCE} 60 AAAA 2001:db8::1")
    got = run(query(FORCE, "AAAA"), {f"{FORCE} A": nodata(), f"{FORCE} AAAA": real}, ZONES)
    assert (got.lines, got.rule) == ([f"{FORCE} 60 AAAA 2001:db8::1"], "real-aaaa")


@pytest.mark.parametrize(
    ("a", "aaaa", "rcode", "rule"),
    [
        (nodata(), nodata(), "NOERROR", "no-a"),
        (error(), nodata(), "SERVFAIL", "a-failed"),
        (lost(), nodata(), "SERVFAIL", "a-failed"),
        (lost(), nxdomain(), "NXDOMAIN", "nxdomain"),
        (nodata(), error(), "SERVFAIL", "aaaa-failed"),
        (answer(f"{FORCE} 60 A 127.0.0.1"), nodata(), "NOERROR", "ipv4-denied"),
    ],
)
def test_force_without_either_is_as_in_any_zone(a: Outcome, aaaa: Outcome, rcode: str, rule: str) -> None:
    got = run(query(FORCE, "AAAA"), {f"{FORCE} A": a, f"{FORCE} AAAA": aaaa}, ZONES)
    assert (got.lines, got.rcode, got.rule) == ([], rcode, rule)


def test_force_may_ask_for_what_it_falls_back_to_while_the_a_is_out() -> None:
    """A silent A leaves no time for another question."""
    got = run(query(FORCE, "AAAA"), {f"{FORCE} A": answer(f"{FORCE} 900 A 192.0.2.33")}, ZONES)
    assert [ask.meanwhile.qtype for ask in got.asks if ask.meanwhile is not None] == [28]


def test_force_believes_nxdomain() -> None:
    assert run(query(FORCE, "AAAA"), {f"{FORCE} A": nxdomain()}, ZONES).rcode == "NXDOMAIN"


def test_force_counts_for_the_end_of_a_chain() -> None:
    cname = f"w 60 CNAME {FORCE}"
    upstream = {
        "w AAAA": answer(f"{cname}\n{FORCE} 60 AAAA 2001:db8::1"),
        "w A": answer(f"{cname}\n{FORCE} 60 A 192.0.2.33"),
    }
    got = run(query("w", "AAAA"), upstream, ZONES)
    assert got.lines == [cname, f"{FORCE} 60 AAAA 2002:c633:6440::c000:221"]
    upstream["w A"] = nodata(text=cname)
    assert run(query("w", "AAAA"), upstream, ZONES).lines[-1] == f"{FORCE} 60 AAAA 2001:db8::1"


TABLE, _ = build_suffix_set({"far": [b"example.org\n# comment\ndeep.example.net\n"]})
POOLS = changed_rules(pools=(Pool("far", (OTHER,), group="far"),), pool_of=TABLE)


@pytest.mark.parametrize("name", ["example.org.", "a.b.EXAMPLE.org.", "deep.example.net."])
def test_listed_names_leave_by_their_pool(name: str) -> None:
    got = synth(POOLS, name)
    assert got.lines[0].split()[-1] == "2001:db8:a::c000:221"
    assert {ask.group for ask in got.asks} == {"far"}


@pytest.mark.parametrize("name", ["example.net.", "notexample.org.", "org."])
def test_other_names_leave_by_the_default(name: str) -> None:
    got = synth(POOLS, name)
    assert got.lines[0].split()[-1] == "2002:c633:6440::c000:221"
    assert {ask.group for ask in got.asks} == {""}


def test_every_pools_prefix_is_excluded_from_real_answers() -> None:
    got = run(query("w", "AAAA"), {"w AAAA": answer("w 60 AAAA 2001:db8:a::1"), "w A": A33}, POOLS)
    assert got.rule == "synthesised-excluded"


@pytest.mark.parametrize(
    ("how", "lines", "edes"),
    [
        (GatewayDown.KEEP, ["w 300 AAAA 2002:c633:6440::c000:221"], [29]),
        (GatewayDown.CLAMP_TTL, ["w 30 AAAA 2002:c633:6440::c000:221"], [29]),
        (GatewayDown.STOP, [], [0]),
    ],
)
def test_what_a_dead_gateway_does(how: GatewayDown, lines: list[str], edes: list[int]) -> None:
    down = changed_rules(on_gateway_down=how, pools_down=frozenset(("",)))
    got = run(query("w", "AAAA"), UPSTREAM if lines else {"w AAAA": nodata()}, down)
    assert (got.rcode, got.lines, got.edes) == ("NOERROR", lines, edes)


def test_a_dead_pool_falls_back_to_another_with_a_short_ttl() -> None:
    pools = (Pool("far", (OTHER,), fallback="default"),)
    down = changed_rules(pools=pools, pool_of=TABLE, pools_down=frozenset(("far",)))
    assert synth(down, "example.org.").lines == ["example.org. 30 AAAA 2002:c633:6440::c000:221"]
    both = changed_rules(pools=pools, pool_of=TABLE, pools_down=frozenset(("far", "")))
    assert synth(both, "example.org.").lines == ["example.org. 30 AAAA 2001:db8:a::c000:221"]


def test_a_dead_pool_leaves_the_others_alone() -> None:
    down = changed_rules(pools=(Pool("far", (OTHER,)),), pool_of=TABLE, pools_down=frozenset(("far",)))
    assert synth(down).lines == ["w 300 AAAA 2002:c633:6440::c000:221"]


def test_shadow_mode_answers_plainly_and_says_what_it_would_have_made() -> None:
    got = run(query("w", "AAAA"), UPSTREAM, changed_rules(shadow=True))
    assert isinstance(got.reply, Reply)
    assert (got.lines, got.rcode, got.edes, got.rule) == ([], "NOERROR", [], "synthesised-nodata")
    assert [one.rdata for one in got.reply.shadow] == [P.embed_bytes(IPv4Address("192.0.2.33").packed)]
    assert got.section("authority")[0].startswith("@ 300 SOA")


@pytest.mark.parametrize("qclass", [4, 254, 255])
def test_other_classes_pass_without_dns64(qclass: int) -> None:
    got = run(query("w", "AAAA", qclass=qclass), {"w AAAA": nodata()})
    assert got.rule == "not-for-class"


def test_the_operators_vips_are_never_embedded() -> None:
    assert IPv4Network("198.51.100.64/32") not in changed_rules().never_embed
    got = run(query("w", "AAAA"), {"w AAAA": nodata(), "w A": answer("w 60 A 198.51.100.64")})
    assert got.rule == "ipv4-denied"


@pytest.mark.parametrize("a", [error(), nxdomain(), answer("w 60 A 127.0.0.1")], ids=["servfail", "nxdomain", "denied"])
def test_shadow_mode_never_lets_the_a_change_the_answer(a: Outcome) -> None:
    got = run(query("w", "AAAA"), {"w AAAA": answer("w 60 AAAA ::ffff:1.2.3.4"), "w A": a}, changed_rules(shadow=True))
    assert (got.rcode, got.lines, got.edes) == ("NOERROR", ["w 60 AAAA ::ffff:1.2.3.4"], [])


def test_shadow_mode_asks_a_forced_zone_for_its_real_answer() -> None:
    shadow = changed_rules(zones=ZONES.zones, shadow=True)
    real = f"{FORCE} 60 AAAA 2001:db8::1"
    got = run(
        query(FORCE, "AAAA"), {f"{FORCE} AAAA": answer(real), f"{FORCE} A": answer(f"{FORCE} 60 A 192.0.2.33")}, shadow
    )
    assert (got.lines, got.rule) == ([real], "synthesised-forced")
