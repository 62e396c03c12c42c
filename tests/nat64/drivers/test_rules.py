import pytest

from kun_nat64.drivers.command import CommandResult
from kun_nat64.drivers.rules import RulesDriver
from kun_nat64.model.errors import DriverError, FailureKind
from kun_nat64.model.facts import Chain, Family, Rule
from kun_nat64.model.plan import Action, Change
from tests.nat64.drivers.scripted import ScriptedRunner, said
from tests.nat64.formats.golden import golden

SIX, FOUR = golden("iptables-1.8.9-nft-ip6tables-save.txt"), golden("iptables-1.8.9-nft-iptables-save.txt")
RULE = Rule(Family.IPV6, "mangle", "PREROUTING", "-j TCPMSS --set-mss 1420 -m comment --comment kun-nat64")


async def test_both_families_are_looked_at_and_counted() -> None:
    driver = RulesDriver(ScriptedRunner({"ip6tables-save": said(SIX), "iptables-save": said(FOUR)}))
    facts = await driver.observe()
    assert {fact.family for fact in facts if isinstance(fact, Rule | Chain)} == {Family.IPV4, Family.IPV6}
    assert driver.counters
    assert driver.tells_changes


async def test_the_older_backend_is_known_to_tell_nothing() -> None:
    old = golden("iptables-1.8.9-legacy-ip6tables-save.txt")
    driver = RulesDriver(ScriptedRunner({"ip6tables-save": said(old), "iptables-save": said(FOUR)}))
    await driver.observe()
    assert not driver.tells_changes


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (said("garbage\n"), FailureKind.GARBAGE),
        (CommandResult(4, "", "Permission denied: not permitted"), FailureKind.PERMISSION),
    ],
)
async def test_a_family_that_cannot_be_read_makes_the_whole_area_unknown(
    answer: CommandResult, kind: FailureKind
) -> None:
    driver = RulesDriver(ScriptedRunner({"ip6tables-save": answer, "iptables-save": said(FOUR)}))
    with pytest.raises(DriverError) as raised:
        await driver.observe()
    assert raised.value.kind is kind


async def test_changes_are_one_restore_that_leaves_others_alone() -> None:
    runner = ScriptedRunner()
    await RulesDriver(runner).apply([Change(Action.ADD, RULE)])
    assert runner.asked == ["ip6tables-restore --noflush --wait 3"]
    assert runner.given == [f"*mangle\n-I PREROUTING 1 {RULE.spec}\nCOMMIT\n"]


async def test_a_refused_restore_says_why() -> None:
    runner = ScriptedRunner({"restore": CommandResult(2, "", "ip6tables-restore: line 2 failed")})
    with pytest.raises(DriverError, match="line 2 failed"):
        await RulesDriver(runner).apply([Change(Action.ADD, RULE)])
