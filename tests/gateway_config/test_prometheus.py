"""Rules and dashboards: read by promtool, and asking only for what the programs export."""

import itertools
import json
import re
from pathlib import Path

import pytest
from dashboards import CONFIG, DASHBOARDS, expressions, panels
from metric_names import exported

RULES = CONFIG / "prometheus" / "rules.yml"
NAME = re.compile(r"\bkun_(?:dns64|nat64)[a-z0-9_:]*\b")
RECORDED = set(re.findall(r"record: (\S+)", RULES.read_text()))


def test_promtool_accepts_the_rules(tool, run) -> None:
    checked = run(tool("promtool", "prometheus"), "check", "rules", "--lint=all", "--lint-fatal", RULES)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_promtool_accepts_the_jobs(tool, run) -> None:
    checked = run(tool("promtool", "prometheus"), "check", "config", CONFIG / "prometheus" / "scrape.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_alerts_fire_when_they_should_and_only_then(tool, run) -> None:
    tests = Path(__file__).parent / "prometheus" / "alerts.yml"
    checked = run(tool("promtool", "prometheus"), "test", "rules", tests)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_rules_ask_for_metrics_that_exist() -> None:
    # Annotations name metrics too: a reader will type them.
    asked = set(NAME.findall(RULES.read_text())) - {"kun_dns64", "kun_nat64"}
    assert asked - exported() - RECORDED == set()


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_ask_for_metrics_that_exist(dashboard: Path) -> None:
    asked = {name for expr in expressions(dashboard) for name in NAME.findall(expr)}
    assert asked
    assert asked - exported() - RECORDED == set()


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda path: path.stem)
def test_every_panel_has_promql_that_parses(dashboard: Path, tool, run, tmp_path: Path) -> None:
    rules = [{"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(expressions(dashboard))]
    file = tmp_path / "panels.json"
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    checked = run(tool("promtool", "prometheus"), "check", "rules", file)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_do_not_overlap(dashboard: Path) -> None:
    ids = [panel["id"] for panel in panels(dashboard)]
    assert len(ids) == len(set(ids))
    for one, other in itertools.combinations([panel["gridPos"] for panel in panels(dashboard)], 2):
        apart_x = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart_y = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart_x or apart_y, (one, other)
        assert one["x"] + one["w"] <= 24


def test_scrape_jobs_are_the_ones_the_rules_and_dashboards_name() -> None:
    jobs = set(re.findall(r"job_name: (\S+)", (CONFIG / "prometheus" / "scrape.yml").read_text()))
    texts = [RULES.read_text(), *(path.read_text() for path in DASHBOARDS)]
    named = {job for text in texts for job in re.findall(r'job=\\?"([^"\\]+)', text)}
    assert named == jobs
