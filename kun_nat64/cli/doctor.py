"""The `doctor` command: checks the host, prints findings, and asks the running agent for its diagnosis."""

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from time import localtime, strftime
from typing import Any

from kun_nat64.cli.agent_client import NoAgent, ask, its_words
from kun_nat64.cli.fleet_check import fleet_findings
from kun_nat64.cli.plan import planned
from kun_nat64.config.load import load
from kun_nat64.drivers.command import ProcessRunner
from kun_nat64.drivers.doctor_facts import Places, inspect
from kun_nat64.drivers.preflight import missing_for_changes
from kun_nat64.drivers.real_host import RealHost
from kun_nat64.model.inspection import Finding, Inspection, Level
from kun_nat64.model.spec import AgentSpec
from kun_nat64.policy.doctor_checks import examine as judge

# What the agent mended by itself is worth a line for this long.
LATELY_S = 3600.0
SIGNS = {Level.GOOD: "ok  ", Level.NOTE: "note", Level.BAD: "BAD ", Level.UNKNOWN: "?   "}


def examine(config: Path | None, run_dir: Path, *, as_json: bool) -> int:
    """Check and print. Exit code 1: a check failed; 2 (by ConfigError): the file has errors."""
    spec = load(config) if config else None
    findings = [*judge(asyncio.run(_look(spec)), spec), *(fleet_findings(spec) if spec else ()), *_agent(run_dir)]
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        _print(findings)
    return 1 if any(finding.level is Level.BAD for finding in findings) else 0


async def _look(spec: AgentSpec | None) -> Inspection:
    runner, places = ProcessRunner(), Places()
    if spec is None:
        return await inspect(runner, places, None, None, None)
    host = RealHost(spec)
    try:
        # Without rights and tools a comparison would say more about them than about the machine.
        todo = None if missing_for_changes(spec) else (await planned(spec, host))[0]
        return await inspect(runner, places, spec, host, todo)
    finally:
        host.close()


def _agent(run_dir: Path) -> list[Finding]:
    try:
        status = ask(run_dir, "/status")
        with its_words(run_dir):
            return _of_status(status)
    except NoAgent as error:
        return [Finding(Level.NOTE, "agent", str(error))]


def _of_status(status: Any) -> list[Finding]:
    announcement, diagnosis = status["announcement"], status["diagnosis"]
    level = Level.GOOD if announcement["announced"] else Level.BAD
    findings = [Finding(level, "agent", f"{announcement['standing']}: {announcement['words']}")]
    if diagnosis["cause"] != "none":
        words = f"{diagnosis['words']} ({diagnosis['cause']})"
        findings.append(Finding(Level.BAD, "diagnosis", words, diagnosis["remedy"]))
        findings += [Finding(Level.BAD, "evidence", one) for one in diagnosis["evidence"]]
    findings += [_past(one) for one in diagnosis["recent"] if one["until"] and status["time"] - one["until"] < LATELY_S]
    if path := status["path"]:
        remedy = "" if path["mss_fits"] else f"[gateway] mss = {path['safe_mss']}"
        findings.append(Finding(Level.GOOD if path["mss_fits"] else Level.BAD, "path", path["words"], remedy))
    findings += [Finding(Level.BAD, f"agent: {what}", words) for what, words in status["warnings"].items()]
    return findings


def _past(past: dict[str, Any]) -> Finding:
    begun = strftime("%H:%M:%S", localtime(past["at"]))
    lasted = past["until"] - past["at"]
    return Finding(Level.NOTE, "was", f"{past['words']} ({past['cause']}, from {begun}, for {lasted:.1f} s)")


def _print(findings: list[Finding]) -> None:
    width = max((len(finding.check) for finding in findings), default=0)
    for finding in findings:
        print(f"{SIGNS[finding.level]}  {finding.check:<{width}}  {finding.words}")
        if finding.remedy and finding.level in (Level.BAD, Level.NOTE):
            print(f"      {'':<{width}}  -> {finding.remedy}")
