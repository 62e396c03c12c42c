"""What other programs print, read for the benchmark."""

import json

import pytest

from bench.ctools import parse_load
from bench.dnsperf import command, parse
from bench.machine import cpu_model, share_out, stolen_share
from bench.process import BenchError
from bench.procstat import Stat, busiest_ticks, parse_rss_kb, parse_stat, tree

DNSPERF = """\
DNS Performance Testing Tool
Version 2.10.0

Statistics:

  Queries sent:         50000
  Queries completed:    49990 (99.98%)
  Queries lost:         10 (0.02%)

  Response codes:       NOERROR 49900 (99.82%), SERVFAIL 90 (0.18%)
  Average packet size:  request 39, response 67
  Run time (s):         3.281250
  Queries per second:   15235.047619

  Average Latency (s):  0.006421 (min 0.000110, max 0.160203)
  Latency StdDev (s):   0.003312
"""
LOAD = {
    "sent": 1000, "answered": 990, "empty": 2, "failed": 3, "lost": 10, "strays": 0, "wrong": 0, "seconds": 2.0,
    "p50_us": 10.0, "p99_us": 20.0, "p999_us": 30.0, "max_us": 40.0,
}  # fmt: skip
STAT = "4242 (a) b (c)) S 17 4242 4242 0 -1 4194304 100 0 0 0 250 50 7 3 20 0 1 0 12345 1000000 500"


def test_dnsperf_report_gives_rate_and_share_of_good_answers() -> None:
    report = parse(DNSPERF)
    assert (report.sent, report.completed, report.noerror, report.seconds) == (50000, 49990, 49900, 3.28125)
    assert report.bad_share == pytest.approx(0.002)


def test_dnsperf_run_without_any_answer_is_all_bad() -> None:
    silent = DNSPERF.replace("NOERROR 49900 (99.82%), SERVFAIL 90 (0.18%)", "")
    assert parse(silent).bad_share == 1.0


def test_dnsperf_output_without_its_figures_is_an_error_that_names_one() -> None:
    with pytest.raises(BenchError, match="Queries sent"):
        parse("Error: timeout")


def test_dnsperf_command_carries_the_limit_and_the_transport() -> None:
    argv = command(5300, "names", clients=3, outstanding=7, mode="tcp", limit=("-l", "5"))
    assert argv[-2:] == ["-l", "5"]
    assert argv[argv.index("-m") + 1] == "tcp"
    assert argv[argv.index("-q") + 1] == "7"


def test_load_report_counts_errors_and_empty_answers_as_bad() -> None:
    report = parse_load(json.dumps(LOAD))
    assert report.good == 985
    assert report.bad_share == pytest.approx(0.015)


@pytest.mark.parametrize("text", ["", "{}", '{"sent": 1}', "[1]"], ids=["nothing", "empty", "half", "a list"])
def test_other_output_of_load_is_an_error(text: str) -> None:
    with pytest.raises(BenchError, match="load printed"):
        parse_load(text)


def test_stat_line_is_read_behind_the_last_bracket_of_the_command() -> None:
    assert parse_stat(STAT) == Stat(pid=4242, parent=17, own=300, reaped=10)


@pytest.mark.parametrize("line", ["", "4242 (x)", "no brackets at all"], ids=["nothing", "cut", "other"])
def test_other_lines_are_no_stat(line: str) -> None:
    with pytest.raises(ValueError):
        parse_stat(line)


def test_process_without_memory_has_no_rss() -> None:
    assert parse_rss_kb("Name:\tx\nVmRSS:\t  1234 kB\n") == 1234
    assert parse_rss_kb("Name:\tzombie\nState:\tZ\n") == 0


def test_tree_holds_all_descendants_and_no_stranger() -> None:
    parents = {1: 0, 10: 1, 11: 10, 12: 11, 20: 1, 21: 20}
    stats = {pid: Stat(pid, parent, 0, 0) for pid, parent in parents.items()}
    assert tree(stats, [10]) == {10, 11, 12}
    assert tree(stats, [12, 20, 99]) == {12, 20, 21}


def test_busiest_thread_is_the_one_with_the_largest_difference() -> None:
    assert busiest_ticks({1: 100, 2: 10}, {1: 110, 2: 40, 3: 5}) == 30
    assert busiest_ticks({}, {}) == 0


@pytest.mark.parametrize(
    ("allowed", "server", "load", "pair", "shared"),
    [
        ([0, 1], (1,), (0,), (0, 1), True),
        ([0, 1, 2], (2,), (0,), (1, 2), True),
        ([0, 1, 2, 3], (3,), (0,), (2, 3), False),
        ([4, 9], (9,), (4,), (4, 9), True),
    ],
    ids=["two cores", "three", "four", "numbered otherwise"],
)
def test_cores_are_shared_out(
    allowed: list[int], server: tuple[int], load: tuple[int], pair: tuple[int, int], shared: bool
) -> None:
    cores = share_out(allowed)
    assert (cores.server, cores.load, cores.pair, cores.shared) == (server, load, pair, shared)


def test_one_core_is_not_enough() -> None:
    with pytest.raises(BenchError, match="one core"):
        share_out([0])


def test_stolen_share_is_the_eighth_figure() -> None:
    before, after = "cpu  100 0 100 800 0 0 0 0 0 0\n", "cpu  150 0 100 840 0 0 0 10 0 0\n"
    assert stolen_share(before, after) == pytest.approx(0.1)
    assert stolen_share(before, before) == 0.0


def test_cpu_model_is_the_first_named() -> None:
    assert cpu_model("processor: 0\nmodel name\t: Fast One\nmodel name\t: Other\n") == "Fast One"
