"""What adds or repairs is never held up: neither by removals that the guard refuses, nor by a change that fails."""

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from kun_nat64.model.area import Area
from kun_nat64.model.errors import DriverError, FailureKind
from kun_nat64.model.facts import Address, Chain, Fact, Pool4, ProbeWay, Protocol, Rule, Tunnel, Veth
from kun_nat64.model.health import Symptom
from kun_nat64.model.observation import Foreign
from kun_nat64.model.plan import Change, RefusalKind
from kun_nat64.model.standing import Standing
from tests.nat64.agent.test_reload import POD, flows
from tests.nat64.cycle.test_cycle import Gateway, gateway, of_kind
from tests.nat64.fake_host import hung

__all__ = ["gateway"]


def surplus(gateway: Gateway, count: int = 8) -> list[Pool4]:
    """Somebody adds a /29 to pool4."""
    instance = gateway.spec.nat64.instance
    entries = [Pool4(instance, Protocol.TCP, IPv4Address(f"192.0.2.{100 + n}"), 1, 9) for n in range(count)]
    for entry in entries:
        gateway.host.set_by_hand(entry)
        gateway.host.facts |= {entry}
    return entries


async def test_more_surplus_than_may_be_removed_stops_no_repair(gateway: Gateway) -> None:
    await gateway.come_up()
    entries = surplus(gateway)
    await gateway.turn()
    assert [one.kind for one in gateway.state.machine.refusals] == [RefusalKind.TOO_MANY_REMOVALS]
    gone: list[Fact] = [*of_kind(gateway, Rule), *(t for t in of_kind(gateway, Tunnel) if t.netns == "")]
    gateway.host.break_by_hand(*gone)
    await gateway.turn()
    await gateway.turn()
    assert set(gone) <= gateway.host.facts
    assert set(entries) <= gateway.host.facts, "what may not be removed stays"
    await gateway.hear(Symptom.ANSWERED, 80)
    assert gateway.standing is Standing.FULL


async def test_a_foreign_object_holds_up_only_what_it_is_in_the_way_of(gateway: Gateway) -> None:
    await gateway.come_up()
    tunnel = next(one for one in of_kind(gateway, Tunnel) if one.netns == "")
    rules = of_kind(gateway, Rule)
    gateway.host.break_by_hand(tunnel, *rules)
    gateway.host.foreign = (Foreign("kun64 is a dummy", "rename it", tunnel.key),)
    await gateway.turn()
    assert set(rules) <= gateway.host.facts
    assert tunnel not in gateway.host.facts
    gateway.host.foreign = ()
    await gateway.turn()
    assert tunnel in gateway.host.facts


async def test_a_link_that_cannot_be_made_holds_up_only_what_is_inside_of_it(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    await gateway.come_up()
    veth = of_kind(gateway, Veth)[0]
    tunnel = next(one for one in of_kind(gateway, Tunnel) if one.netns == "")
    rules = of_kind(gateway, Rule)
    gateway.host.break_by_hand(veth, tunnel, *rules)
    apply = gateway.host.apply

    async def without_cables(changes: Sequence[Change]) -> None:
        if isinstance(changes[0].fact, Veth):
            raise DriverError(FailureKind.EXIT_CODE, ("ip", "link", "add"), "no such device type")
        await apply(changes)

    monkeypatch.setattr(gateway.host, "apply", without_cables)
    assert not await gateway.turn()
    assert {tunnel, *rules} <= gateway.host.facts
    assert not [one for one in of_kind(gateway, Address) if one.ifname == veth.name]


async def test_what_was_right_before_is_put_right_whatever_flows(gateway: Gateway) -> None:
    """A tunnel that somebody gave another address carries nothing: to wait for its flows to end is no mercy."""
    await gateway.come_up()
    tunnel = next(one for one in of_kind(gateway, Tunnel) if one.netns == "")
    gateway.host.now_flowing = flows(POD)
    gateway.host.set_by_hand(replace(tunnel, local=IPv4Address("203.0.113.77")))
    await gateway.turn()
    assert tunnel in gateway.host.facts
    assert gateway.state.machine.refusals == ()


async def test_probes_lost_without_their_way_prove_nothing_for_a_while(gateway: Gateway) -> None:
    await gateway.come_up()
    (way,) = of_kind(gateway, ProbeWay)
    gateway.host.break_by_hand(way)
    gateway.host.fail_applying = hung(Area.PROBES)
    await gateway.turn()
    rules = gateway.state.health_rules
    soon = int(rules.proof_s / gateway.spec.health.interval_s) // 2
    await gateway.hear(Symptom.TIMEOUT, soon)
    assert gateway.standing is Standing.FULL
    gateway.host.fail_applying = {}
    await gateway.turn()
    await gateway.hear(Symptom.TIMEOUT, 1)  # sent before its way was back
    await gateway.hear(Symptom.ANSWERED, 1)
    assert gateway.standing is Standing.FULL
    await gateway.hear(Symptom.TIMEOUT, rules.fall + 2)
    assert gateway.standing is Standing.SOFT


async def test_a_way_of_the_probes_that_stays_away_is_no_excuse_for_long(gateway: Gateway) -> None:
    await gateway.come_up()
    gateway.host.break_by_hand(*of_kind(gateway, ProbeWay))
    gateway.host.fail_applying = hung(Area.PROBES)
    await gateway.turn()
    await gateway.hear(Symptom.TIMEOUT, int(gateway.state.health_rules.proof_s / gateway.spec.health.interval_s) + 2)
    assert gateway.standing is not Standing.FULL


async def test_the_way_of_the_probes_is_mended_before_the_rules(gateway: Gateway) -> None:
    await gateway.come_up()
    made = len(gateway.host.log)
    gateway.host.break_by_hand(*of_kind(gateway, Rule), *of_kind(gateway, ProbeWay))
    await gateway.turn()
    assert "way of the probes" in gateway.host.log[made]


async def test_an_address_that_this_machine_gets_is_dropped_from_the_next_turn_on(gateway: Gateway) -> None:
    await gateway.come_up()
    gateway.host.own = frozenset({IPv4Address("198.51.100.7")})
    await gateway.turn()
    await gateway.turn()
    rules = {rule for chain in of_kind(gateway, Chain) for rule in chain.rules}
    assert "-d 2002:cb00:7101::c633:6407/128 -j DROP" in rules
    gateway.host.fail_observing = hung(Area.LINKS)
    await gateway.turn()
    gateway.host.fail_observing = {}
    assert of_kind(gateway, Chain), "what could not be looked at has not gone"
