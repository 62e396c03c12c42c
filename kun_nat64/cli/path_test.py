"""The `test` command: the path of a pod's packet as this gateway sees it, from the running agent's probes."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kun_base.html_page import duration
from kun_base.path_test import PathStep, StepState
from kun_base.watched_screen import wrapped
from kun_nat64.cli.agent_client import NoAgent, ask, its_words
from kun_nat64.cli.errors import complain

JSON = dict[str, Any]
# Columns of the state.
INDENT = 10


def run_path_test(run_dir: Path, *, as_json: bool) -> int:
    """Print each step; exit 0, or 1 where one failed or no agent answers."""
    try:
        status = ask(run_dir, "/status")
        with its_words(run_dir):
            steps = list(steps_of(status))
    except NoAgent as error:
        return complain(str(error), as_json=as_json)
    if as_json:
        print(json.dumps({"steps": [asdict(step) for step in steps]}, indent=1))
    else:
        for step in steps:
            print(wrapped(f"{step.state:<8}  {step.name}: {step.detail}", INDENT))
            if step.remedy:
                print(wrapped(f"{'':{INDENT}}{step.remedy}", INDENT))
    return 1 if any(step.state is StepState.FAILED for step in steps) else 0


def steps_of(status: JSON) -> Iterator[PathStep]:
    """Read the seven steps of a packet's path from an agent's /status."""
    unseen = "run `kun-dns64 test` where the pods ask"
    yield PathStep("name and synthesis", StepState.UNSEEN, "a gateway answers no names", unseen)
    yield PathStep("pod to node", StepState.UNSEEN, "a gateway sees only what arrives", "run `kun-dns64 test` in a pod")
    yield _bgp(status)
    yield _machine(status)
    yield _translation(status)
    yield _segment_size(status)
    yield _announcement(status)


def _bgp(status: JSON) -> PathStep:
    peers = status["bgp"]["neighbours"]
    up = [peer["address"] for peer in peers if peer["established"]]
    if up:
        return PathStep("BGP to the routers", StepState.OK, f"established with {', '.join(up)}")
    known = ", ".join(f"{peer['address']} {peer['state']}" for peer in peers) or "no neighbour is known"
    return PathStep("BGP to the routers", StepState.FAILED, known, "kun-nat64 doctor --config FILE")


def _machine(status: JSON) -> PathStep:
    machine = status["machine"]
    wrong = [*machine["hard"], *machine["drift"], *machine["unknown"]]
    if not wrong:
        return PathStep("tunnel, rules, Jool", StepState.OK, "as the file says")
    return PathStep("tunnel, rules, Jool", StepState.FAILED, "; ".join(wrong[:5]), status["diagnosis"]["remedy"])


def _translation(status: JSON) -> PathStep:
    targets = status["health"]["targets"]
    proven = [one for one in targets if one["state"] == "up" and one["proven_s_ago"] is not None]
    if status["health"]["verdict"] == "healthy" and proven:
        last = min(one["proven_s_ago"] for one in proven)
        return PathStep(
            "there and back", StepState.OK, f"a packet came back {duration(last)} ago ({len(proven)} targets)"
        )
    words = ", ".join(f"{one['target']} {one['symptom'] or one['state']}" for one in targets)
    return PathStep("there and back", StepState.FAILED, words, status["diagnosis"]["remedy"])


def _segment_size(status: JSON) -> PathStep:
    path = status["path"]
    if path is None:
        remedy = "name an icmp:// target in [health]; it is measured while the gateway is healthy"
        return PathStep("segment size", StepState.UNSEEN, "not measured yet", remedy)
    if path["mss_fits"]:
        return PathStep("segment size", StepState.OK, path["words"])
    return PathStep("segment size", StepState.FAILED, path["words"], f"[gateway] mss = {path['safe_mss']}")


def _announcement(status: JSON) -> PathStep:
    announcement, served = status["announcement"], status["vip"] or status["prefix"]
    if announcement["announced"]:
        return PathStep("announced", StepState.OK, f"{served} with MED {announcement['med']}: {announcement['words']}")
    return PathStep("announced", StepState.FAILED, f"{served}: {announcement['words']}", status["diagnosis"]["remedy"])
