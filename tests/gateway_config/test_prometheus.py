"""Rules and dashboards: read by promtool, and asking only for what the programs export."""

import itertools
import json
import re
from pathlib import Path

import pytest
import yaml

from tests.gateway_config.dashboards import CONFIG, DASHBOARDS, expressions, panels
from tests.gateway_config.metric_names import exported

ROOT = CONFIG.parent
RULES = CONFIG / "prometheus" / "rules.yml"
MONITORING = CONFIG / "prometheus" / "monitoring.yml"
ALERTS = {
    rule["alert"]: rule
    for file in (RULES, MONITORING)
    for group in yaml.safe_load(file.read_text())["groups"]
    for rule in group["rules"]
    if "alert" in rule
}
SECTIONS = ("What it means", "What users feel", "First three commands", "Fix", "When it lies")
NAME = re.compile(r"\bkun_(?:dns64|nat64|controller)[a-z0-9_:]*\b")
RECORDED = set(re.findall(r"record: (\S+)", RULES.read_text()))


def test_promtool_accepts_the_rules(tool, run) -> None:
    checked = run(tool("promtool", "prometheus"), "check", "rules", "--lint=all", "--lint-fatal", RULES, MONITORING)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_promtool_accepts_the_jobs(tool, run) -> None:
    checked = run(tool("promtool", "prometheus"), "check", "config", CONFIG / "prometheus" / "scrape.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_alerts_fire_when_they_should_and_only_then(tool, run) -> None:
    tests = Path(__file__).parent / "prometheus" / "alerts.yml"
    checked = run(tool("promtool", "prometheus"), "test", "rules", tests)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_alert_has_series_that_fire_it_and_series_that_do_not(tool, run) -> None:
    file = Path(__file__).parent / "prometheus" / "each_alert.yml"
    held = {one["name"] for one in yaml.safe_load(file.read_text())["tests"]}
    wanted = {f"{name} {what}" for name in ALERTS for what in ("fires", "is silent")} - {"KunWatchdog is silent"}
    assert held == wanted
    checked = run(tool("promtool", "prometheus"), "test", "rules", file, timeout_s=300)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_has_words_and_a_runbook_with_every_section(name: str) -> None:
    notes = ALERTS[name]["annotations"]
    assert all(notes[key] for key in ("summary", "description"))
    assert notes["runbook_url"].endswith(f"/runbooks/{name}/")
    page = (ROOT / "docs" / "runbooks" / f"{name}.md").read_text()
    assert re.findall("^## (.+)$", page, re.MULTILINE) == list(SECTIONS)
    commands = page.partition("```sh\n")[2].partition("```")[0].splitlines()
    assert len(commands) == 3
    assert f"[{name}]({name}.md)" in (ROOT / "docs" / "runbooks" / "README.md").read_text()


def test_no_runbook_is_without_its_alert() -> None:
    assert {path.stem for path in (ROOT / "docs" / "runbooks").glob("*.md")} == {*ALERTS, "README"}


def test_amtool_accepts_the_alertmanagers_configuration(tool, run) -> None:
    checked = run(tool("amtool", "prometheus-alertmanager"), "check-config", CONFIG / "prometheus" / "alertmanager.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_inhibition_names_alerts_that_exist() -> None:
    text = (CONFIG / "prometheus" / "alertmanager.yml").read_text()
    named = set(re.findall(r"Kun[A-Za-z0-9]+", text)) - {"KunDns64"}
    assert named - set(ALERTS) == set()


def test_the_exporter_accepts_the_probes_and_the_jobs_name_them(tool, run) -> None:
    file = CONFIG / "prometheus" / "blackbox.yml"
    program = tool("prometheus-blackbox-exporter", "prometheus-blackbox-exporter")
    checked = run(program, "--config.check", f"--config.file={file}")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    jobs = yaml.safe_load((CONFIG / "prometheus" / "scrape.yml").read_text())["scrape_configs"]
    used = {name for job in jobs for name in job.get("params", {}).get("module", ())}
    assert used == set(yaml.safe_load(file.read_text())["modules"])


def test_promtool_accepts_the_job_of_a_cluster(tool, run, tmp_path: Path) -> None:
    """Debian's build has no service discovery of Kubernetes: everything else is checked with another one."""
    data = yaml.safe_load((CONFIG / "prometheus" / "scrape-kubernetes.yml").read_text())
    for job in data["scrape_configs"]:
        assert job["job_name"] == "kun-dns64"
        del job["kubernetes_sd_configs"]
        job["static_configs"] = [{"targets": ["a:1"]}]
    (tmp_path / "p.yml").write_text(yaml.safe_dump(data))
    checked = run(tool("promtool", "prometheus"), "check", "config", tmp_path / "p.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_rules_ask_for_metrics_that_exist() -> None:
    # Annotations name metrics too: a reader will type them.
    words = {"kun_dns64", "kun_nat64", "kun_dns64_answer"}
    asked = set(NAME.findall(RULES.read_text() + MONITORING.read_text())) - words
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


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_explains_every_panel_marks_events_and_leads_on(dashboard: Path) -> None:
    data = json.loads(dashboard.read_text())
    shown = [panel for panel in data["panels"] if panel["type"] != "row"]
    assert [panel["title"] for panel in shown if not panel.get("description")] == []
    assert [panel["title"] for panel in shown if not panel["fieldConfig"]["defaults"].get("links")] == []
    assert {link["title"] for link in data["links"]} >= {"Runbooks"}
    marks = data["annotations"]["list"]
    assert {mark["name"] for mark in marks} == {"Drains", "Reloads"}
    assert {name for mark in marks for name in NAME.findall(mark["expr"])} - exported() == set()


def test_scrape_jobs_are_the_ones_the_rules_and_dashboards_name() -> None:
    jobs = set(re.findall(r"job_name: (\S+)", (CONFIG / "prometheus" / "scrape.yml").read_text()))
    texts = [RULES.read_text(), MONITORING.read_text(), *(path.read_text() for path in DASHBOARDS)]
    named = {job for text in texts for jobs_ in re.findall(r'job=~?\\?"([^"\\]+)', text) for job in jobs_.split("|")}
    assert named == jobs
