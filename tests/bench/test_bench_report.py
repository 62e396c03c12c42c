"""Medians, verdicts, table, plot, order of the rounds, peers' configuration."""

import json
import xml.etree.ElementTree
from pathlib import Path

import pytest

from bench.bed import Bed
from bench.dns64 import terms
from bench.machine import share_out
from bench.peers import PEERS, Peer, Terms
from bench.plan import Plan, quick
from bench.plot import svg
from bench.progress import clock_text, rescaled
from bench.results import Results, judge
from bench.rounds import rotated, schedule
from bench.rows import ROW_BY_KEY, ROWS, TARGETS, Target
from bench.session import Contender
from bench.table import Heading, cell, markdown

BY_KEY = {peer.key: peer for peer in PEERS}
CONTENDERS = [Contender(BY_KEY[key], key, "1.0") for key in ("kun", "unbound", "echo")]
HEADING = Heading("python -m bench dns64", ["a machine"], ["a term"], ["a warning"], ["BIND: apt-get install bind9"])


def figures() -> Results:
    results = Results()
    for value in (300.0, 100.0, 200.0):
        results.add("kun", {"hot_cpu": value * 1000, "p99": value})
        results.add("unbound", {"hot_cpu": 100_000.0, "p99": 100.0})
    return results


def test_middle_is_the_median_and_the_spread_the_extremes() -> None:
    spread = figures().spread("p99", "kun")
    assert spread is not None
    assert (spread.middle, spread.low, spread.high, spread.rounds) == (200.0, 100.0, 300.0, 3)


def test_cell_shows_the_spread_only_of_several_rounds() -> None:
    results = figures()
    results.add("echo", {"p99": 7.0})
    row = ROW_BY_KEY["p99"]
    assert cell(results, row, "kun") == "200 (100–300)"
    assert cell(results, row, "echo") == "7"
    assert cell(results, row, "bind") == "–"


@pytest.mark.parametrize(
    ("target", "met"),
    [
        (Target("hot_cpu", "unbound", 1.9), True),
        (Target("hot_cpu", "unbound", 2.1), False),
        (Target("p99", "unbound", 1.0, at_least=False), False),
        (Target("p99", "", 250.0, at_least=False), True),
        (Target("cold", "unbound", 3.0), None),
    ],
    ids=["ratio reached", "ratio missed", "at most, missed", "plain limit kept", "not measured"],
)
def test_targets_are_judged_by_medians(target: Target, met: bool | None) -> None:
    assert judge(figures(), target, "kun").met is met


def test_targets_and_rows_fit_together() -> None:
    assert len(ROW_BY_KEY) == len(ROWS)
    assert {target.row for target in TARGETS} <= ROW_BY_KEY.keys()
    assert {target.peer for target in TARGETS} <= BY_KEY.keys() | {""}


def test_table_names_missing_servers_failures_warnings_and_the_command() -> None:
    results = figures()
    results.fail("unbound", "tcp", "it ended by itself")
    results.fail("unbound", "tcp", "it ended by itself")
    page = markdown(HEADING, results, CONTENDERS)
    for text in ("python -m bench dns64", "a machine", "**a warning**", "apt-get install bind9", "| **no** |", "2.00"):
        assert text in page
    assert "unbound, tcp: it ended by itself (2 times)" in page


def test_table_rows_all_have_the_same_number_of_cells() -> None:
    lines = [line for line in markdown(HEADING, figures(), CONTENDERS).splitlines() if line.startswith("|")]
    first = lines[: next(i for i, line in enumerate(lines) if line.startswith("| target"))]
    assert {line.count("|") for line in first} == {len(CONTENDERS) + 3}


def test_plot_is_well_formed_and_leaves_out_panels_without_figures() -> None:
    root = xml.etree.ElementTree.fromstring(svg(figures(), CONTENDERS))
    titles = [text.text or "" for text in root.iter("{http://www.w3.org/2000/svg}text") if text.get("font-weight")]
    assert len(titles) == 2
    assert "answers per CPU second" in titles[0]


def test_results_are_kept_as_json() -> None:
    kept = json.loads(figures().to_json())
    assert {"row": "p99", "server": "kun", "rounds": [300.0, 100.0, 200.0]} in kept["figures"]


def bed(plan: Plan) -> Bed:
    return Bed(plan, share_out([0, 1]), Path("/nowhere"), 5300, "load", 0)


def test_servers_interleave_and_each_round_begins_with_another() -> None:
    plan = Plan(rounds=2, sessions=("steady",))
    order = [(number, contender.peer.key) for number, _, contender in schedule(bed(plan), CONTENDERS)]
    assert order == [(0, "kun"), (0, "unbound"), (0, "echo"), (1, "unbound"), (1, "echo"), (1, "kun")]
    assert rotated(CONTENDERS, 3) == CONTENDERS


def test_sessions_skip_what_a_server_cannot_do() -> None:
    planned = {(session, contender.peer.key) for _, session, contender in schedule(bed(Plan(rounds=1)), CONTENDERS)}
    assert ("pool", "kun") in planned
    assert ("pool", "unbound") not in planned
    assert not {session for session, key in planned if key == "echo"} - {"steady"}


def test_big_session_runs_in_the_first_rounds_only() -> None:
    plan = Plan(rounds=3, big_rounds=2)
    assert ["big" in plan.sessions_of(number) for number in range(3)] == [True, True, False]


def test_zone_is_large_enough_for_every_session() -> None:
    assert Plan().zone_names == 500_000
    assert Plan(sessions=("steady", "mixed")).zone_names == 30_000
    assert quick(("mixed",)).zone_names >= quick(("mixed",)).hot_names + quick(("mixed",)).fresh_names


@pytest.mark.parametrize("peer", [p for p in PEERS if p.resolves], ids=lambda p: p.key)
@pytest.mark.parametrize("workers", [1, 2])
def test_every_server_gets_the_same_terms(peer: Peer, workers: int) -> None:
    launch = peer.setup("/bin/server", Terms(Path("/folder"), 5301, 5302, workers=workers, entries=500_000))
    text = "\n".join(launch.files.values())
    assert "5301" in text
    assert "5302" in text
    assert "2002:cb00:7101::" in text or "203.0.113.1" in text
    assert all(command[0] == "/bin/server" for command in launch.commands)


def test_terms_say_when_two_workers_share_their_cores_with_the_load() -> None:
    assert any("shared with the load" in line for line in terms(Plan(), share_out([0, 1])))
    assert not any("shared with the load" in line for line in terms(Plan(), share_out(range(4))))


@pytest.mark.parametrize(
    ("seconds", "text"), [(7, "0:07"), (750, "12:30"), (-3, "0:00")], ids=["short", "long", "late"]
)
def test_time_left_is_minutes_and_seconds(seconds: float, text: str) -> None:
    assert clock_text(seconds) == text


def test_guess_of_time_left_learns_from_the_time_spent() -> None:
    assert rescaled(guess_left=50, guess_all=100, spent=200) == 200
    assert rescaled(guess_left=99, guess_all=100, spent=30) == 99
