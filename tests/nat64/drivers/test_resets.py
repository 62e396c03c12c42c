import pytest

from kun_base.prefix import Prefix
from kun_nat64.drivers.command import CommandResult
from kun_nat64.drivers.jool import JoolDriver
from kun_nat64.drivers.orphan_table import ResetsDriver
from kun_nat64.model.errors import DriverError, FailureKind
from kun_nat64.model.facts import OrphanReset
from kun_nat64.model.plan import Action, Change
from kun_nat64.model.resetfacts import FlowWatch
from tests.nat64.drivers.scripted import ScriptedRunner, hung, said
from tests.nat64.formats.golden import golden

WATCH = FlowWatch("kun", Prefix.parse("2002:cb00:7101::/96"), 7260, 300, 262144)
WANTED = OrphanReset(WATCH)
LISTED, SESSIONS = said(golden("nft-1.0.6-orphan-reset.json")), said(golden("jool-4.1.9-session-tcp.csv"))
ABSENT = CommandResult(1, "", "Error: No such file or directory\nlist table ip6 kun-nat64\n")
NO_NFT = DriverError(FailureKind.MISSING_TOOL, ("nft",), "nft is not installed")


def driver(runner: ScriptedRunner) -> ResetsDriver:
    return ResetsDriver(runner, JoolDriver(runner))


async def test_the_table_is_seen_and_its_resets_counted() -> None:
    seen = driver(ScriptedRunner({"nft -t -j": LISTED}))
    assert await seen.observe(WATCH) == {WANTED}
    assert seen.given == 0


async def test_without_a_table_nothing_is_there_and_nothing_counted() -> None:
    seen = driver(ScriptedRunner({"nft": ABSENT}))
    assert await seen.observe(WATCH) == frozenset()
    assert seen.given is None


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(said("garbage"), id="garbage"),
        pytest.param(said(""), id="nothing"),
        pytest.param(CommandResult(1, "", "Operation not permitted"), id="not permitted"),
        pytest.param(hung("nft"), id="hangs"),
        pytest.param(NO_NFT, id="is missing"),
    ],
)
async def test_an_nft_that_does_not_answer_well_makes_the_area_unknown(answer: CommandResult | DriverError) -> None:
    with pytest.raises(DriverError):
        await driver(ScriptedRunner({"nft": answer})).observe(WATCH)


async def test_a_machine_without_nft_is_well_where_no_table_is_wanted() -> None:
    assert await driver(ScriptedRunner({"nft": NO_NFT})).observe(None) == frozenset()


async def test_the_table_learns_jools_flows_before_it_resets() -> None:
    runner = ScriptedRunner({"session display": SESSIONS})
    await driver(runner).apply(Change(Action.ADD, WANTED))
    loaded = [given.split("\n")[0] for given in runner.given if given]
    assert loaded[0] == "table ip6 kun-nat64"
    assert loaded[1].startswith("add element ip6 kun-nat64 flows { ")
    assert loaded[-1] == "flush chain ip6 kun-nat64 arming"
    assert "reject" in runner.given[-1]
    assert not any("reject" in given for given in runner.given[:-1])


async def test_where_jool_does_not_tell_its_flows_nothing_is_reset() -> None:
    runner = ScriptedRunner({"session display": hung("jool")})
    with pytest.raises(DriverError):
        await driver(runner).apply(Change(Action.ADD, WANTED))
    assert not any("reject" in given for given in runner.given)


async def test_the_whole_table_goes() -> None:
    runner = ScriptedRunner()
    await driver(runner).apply(Change(Action.REMOVE, OrphanReset("made for something else")))
    assert runner.given == ["delete table ip6 kun-nat64\n"]


async def test_a_refused_document_says_why() -> None:
    runner = ScriptedRunner({"nft -f": CommandResult(1, "", "/dev/stdin:1:18-24: Error: Could not process rule")})
    with pytest.raises(DriverError, match="Could not process rule"):
        await driver(runner).apply(Change(Action.ADD, WANTED))


async def test_flows_of_an_earlier_translator_are_made_anew_from_what_it_knows_now() -> None:
    """Its instance was removed and made again: the table alone would let those flows hang."""
    runner = ScriptedRunner({"nft -t -j": LISTED, "session display": SESSIONS})
    table = driver(runner)
    table.doubt()
    (seen,) = await table.observe(WATCH)
    assert seen != WANTED
    await table.apply(Change(Action.REPLACE, WANTED, seen))
    assert await table.observe(WATCH) == {WANTED}


async def test_where_making_it_anew_fails_it_stays_doubted() -> None:
    runner = ScriptedRunner({"nft -t -j": LISTED, "session display": hung("jool")})
    table = driver(runner)
    table.doubt()
    with pytest.raises(DriverError):
        await table.apply(Change(Action.REPLACE, WANTED, WANTED))
    assert await table.observe(WATCH) != {WANTED}
