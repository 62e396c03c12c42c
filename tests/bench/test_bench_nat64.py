"""The stand-ins of the agent's benchmark say what the real tools would, and its table judges by what was promised."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench.nat64.idle import Idle
from bench.nat64.look import Looked, measure
from bench.nat64.planning import ANNOUNCED, addresses_for, drifted
from bench.nat64.report import limit_of, markdown
from bench.nat64.spec import spec_with
from bench.nat64.stubs import NEIGHBOURS, globals_csv, path_json, pool4_csv, saved_rules, sent_json, write_tools
from bench.nat64.timing import Timing, spread, timed
from kun_nat64.formats import frrjson
from kun_nat64.formats.iptables import parse_save
from kun_nat64.formats.joolcsv import globals_of, instance_of, parse_globals, parse_pool4
from kun_nat64.model.facts import BgpPath, Chain, Facts, Family, JoolGlobal, JoolInstance, Pool4, Protocol, Rule
from kun_nat64.policy.desired import desired, scope

SPEC = spec_with(5)
WANTED = desired(SPEC, ANNOUNCED)


def of(*kinds: type) -> Facts:
    return frozenset(fact for fact in WANTED if isinstance(fact, kinds))


def test_jool_stand_in_shows_instance_and_globals() -> None:
    settings = parse_globals(globals_csv(WANTED))
    wanted = scope(SPEC).globals
    name = SPEC.nat64.instance
    assert {instance_of(name, settings), *globals_of(name, settings, wanted)} == of(JoolInstance, JoolGlobal)


def test_jool_stand_in_shows_every_port_of_pool4() -> None:
    shown = [entry for p in Protocol for entry in parse_pool4(pool4_csv(WANTED, p), SPEC.nat64.instance)]
    assert set(shown) == of(Pool4)
    assert len(shown) == 15


@pytest.mark.parametrize("family", list(Family))
def test_iptables_stand_in_shows_chains_and_rules(family: Family) -> None:
    wanted = {fact for fact in of(Chain, Rule) if isinstance(fact, Chain | Rule) and fact.family is family}
    assert set(parse_save(saved_rules(WANTED, family), family).facts) == wanted
    assert wanted


def test_vtysh_stand_in_shows_our_path_and_an_established_neighbour() -> None:
    assert {frrjson.local_path(json.loads(path_json(WANTED)))} == of(BgpPath)
    assert list(frrjson.sent(json.loads(sent_json(WANTED)))) == [str(one.prefix) for one in of(BgpPath)]
    assert [one.established for one in frrjson.neighbours(json.loads(NEIGHBOURS))] == [True]


def test_stand_ins_are_commands_in_one_folder(tmp_path: Path) -> None:
    write_tools(tmp_path, WANTED)
    commands = {path.name for path in tmp_path.iterdir() if path.stat().st_mode & 0o100}
    assert commands == {"jool", "vtysh", "iptables-save", "ip6tables-save", "nft"}


def test_drift_takes_a_tenth_of_pool4_and_nothing_else() -> None:
    touched = drifted(WANTED)
    assert touched < WANTED
    assert {type(fact) for fact in WANTED - touched} == {Pool4}
    assert len(WANTED - touched) == 2


def test_many_addresses_make_about_as_many_facts_as_asked() -> None:
    facts = len(desired(spec_with(addresses_for(300)), ANNOUNCED))
    assert 300 <= facts <= 400


def test_spec_is_what_an_operator_could_write() -> None:
    assert replace(SPEC, source="") == replace(spec_with(5), source="")
    assert len(SPEC.nat64.pool4) == 5


def test_timing_is_a_median_with_its_extremes() -> None:
    assert spread([3.0, 1.0, 10.0]) == Timing(3.0, 1.0, 10.0)
    assert timed(lambda: None, 5).high < 1000


@pytest.mark.parametrize(
    ("title", "limit"),
    [
        ("plan, 10,000 facts", 50.0),
        ("a cycle with", 150.0),
        ("idle agent, CPU share of a core", 0.3),
        ("idle agent in a fleet of three, CPU share", 0.5),
        ("other", None),
    ],
    ids=["plan", "cycle", "idle", "fleet", "no promise"],
)
def test_limits_are_the_promised_ones(title: str, limit: float | None) -> None:
    assert limit_of(title) == limit


def test_table_says_what_is_met_missed_and_not_measured() -> None:
    timings = {"plan a": Timing(40, 30, 50), "a cycle b": Timing(200, 100, 300)}
    page = markdown(
        "cmd",
        ["machine"],
        ["busy"],
        timings,
        {"one look at {rows:,} sessions": Looked(1_000_000, 3.0, 120.0), "a look": None},
        {"idle agent": Idle((0.2, 0.25, 0.6), 60), "idle agent in a fleet": Idle((0.4,), 60), "other": None},
        ["idle: needs root"],
    )
    assert "| plan a | 40.0 ms (30.0–50.0) | ≤ 50 ms | yes |" in page
    assert "| a cycle b | 200.0 ms (100.0–300.0) | ≤ 150 ms | **no** |" in page
    assert "| one look at 1,000,000 sessions, CPU | 3.0 s | ≤ 4 s | yes |" in page
    assert "| one look at 1,000,000 sessions, memory | 120 MiB | ≤ 100 MiB | **no** |" in page
    assert "| 0.25 % (0.20–0.60) | ≤ 0.3 % | yes |" in page
    assert "| 0.40 % (0.40–0.40) | ≤ 0.5 % | yes |" in page
    assert "not measured: idle: needs root" in page


@pytest.mark.parametrize("flood", [False, True], ids=["many pods", "one pod"])
def test_a_look_is_measured_in_a_process_of_its_own(tmp_path: Path, flood: bool) -> None:
    looked = measure(100_000 if flood else 3_000, tmp_path, flood=flood)
    # A listing that takes too long counts for as far as it came.
    assert 0 < looked.rows <= (100_000 if flood else 3_000)
    assert looked.cpu_s > 0
