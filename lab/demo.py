"""The demonstration: the seven steps with evidence, a drain that nobody notices, then gateways die under load."""

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

from lab.api import STEP_READY, Lab
from lab.evidence import Observations, Step, prove
from lab.failover import Death, Figures, figures, parse_fetches, spread
from lab.progress import Reporter
from lab.unbroken import Lived, lives_through_a_drain

STEP_WATCH = "fetching a page, watched at four places"
STEP_LIVES = "a download while its gateway is drained and comes back"
STEP_DEATHS = "continuous requests while gateways die"
WEIGHTS = {STEP_WATCH: 12.0, STEP_LIVES: 40.0, STEP_DEATHS: 30.0}

# Emulated, beside other work, three agents take their time to make everything.
READY_S = 300.0
PER_SECOND, REQUESTS_S, TIMEOUT_S = 10, 22, 2.0
CUT_AT_S, SILENT_AT_S = 4.0, 11.0
_NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Report:
    """Everything the demonstration found out."""

    steps: list[Step]
    lived: Lived
    served: dict[str, int]
    deaths: list[Figures]
    recovered: bool
    debian: str
    accelerator: str
    seconds: float

    @property
    def ok(self) -> bool:
        return self.recovered and self.lived.ok and all(step.ok for step in self.steps)

    def as_json(self) -> str:
        document = asdict(self) | {"ok": self.ok}
        return json.dumps(document, indent=2, default=str) + "\n"


def demonstrate(lab: Lab, accelerator: str, reporter: Reporter, tell: Callable[[Step], None]) -> Report:
    """Runs all of it. `tell` gets each step as soon as it is proven, or found without evidence."""
    started = time.monotonic()
    reporter.expect(WEIGHTS)
    reporter.step(STEP_READY)
    lab.wait_until_ready(READY_S)
    reporter.step(STEP_WATCH)
    steps = prove(lab.topology, watch_one_fetch(lab))
    for step in steps:
        tell(step)
    reporter.step(STEP_LIVES)
    lived = lives_through_a_drain(lab)
    reporter.step(STEP_DEATHS)
    served, deaths, recovered = deaths_under_load(lab, reporter)
    return Report(
        steps,
        lived,
        served,
        deaths,
        recovered,
        lab.guest.image.debian.version,
        accelerator,
        round(time.monotonic() - started, 1),
    )


def watch_one_fetch(lab: Lab) -> Observations:
    """The pod fetches a page by its name; packets are recorded at the pod, the DNS server, the TOR and outside."""
    plan = lab.topology
    name = f"www.{plan.zone}"
    with ExitStack() as stack:
        at_pod = stack.enter_context(lab.capture("pod", "eth0"))
        at_dns = stack.enter_context(lab.capture("dns", "eth1", "port 53"))
        at_tor = stack.enter_context(lab.capture("tor", "node0", "ip6" if plan.native else "ip proto 41"))
        outside = stack.enter_context(lab.capture("internet", "lan0", "tcp port 80"))
        done = lab.run("pod", "curl", "--silent", "--show-error", "--max-time", "10", f"http://{name}/", check=False)
    page = parse_page(done.stdout, done.stderr)
    gateway = next((g.name for g in plan.gateways if g.public == page.get("client")), plan.gateways[0].name)
    return Observations(
        name=name,
        page=page,
        at_pod=at_pod.packets,
        at_dns=at_dns.packets,
        at_tor=at_tor.packets,
        outside=outside.packets,
        route=lab.route(),
        sessions={gateway: lab.output(gateway, "jool", "-i", "kun", "session", "display", "--numeric", "--csv")},
        rules={gateway: lab.output(gateway, "ip6tables-save", "-t", "mangle")},
    )


def parse_page(text: str, complaint: str) -> dict[str, Any]:
    try:
        page = json.loads(text)
    except ValueError:
        return {"error": complaint.strip() or "no page"}
    return page if isinstance(page, dict) else {"error": "not the page of the lab's web server"}


def deaths_under_load(lab: Lab, reporter: Reporter) -> tuple[dict[str, int], list[Figures], bool]:
    """One gateway loses its power, then another falls silent while its link stays up; the rest carries on."""
    target = lab.topology.embed(lab.topology.web_server)
    arguments = (target, str(PER_SECOND), str(REQUESTS_S), str(TIMEOUT_S))
    lab.spawn("pod", "requests", "/usr/bin/python3", "-IS", "/opt/lab/requests.py", *arguments)
    lab.wait_for(lambda: parse_fetches(lab.log("pod", "requests")), 60.0, "the first request")
    started = time.monotonic()
    cut, silent = lab.topology.gateways[-1], lab.topology.gateways[-2]
    deaths = []
    for gateway, how, at in ((cut, "power cut", CUT_AT_S), (silent, "silent", SILENT_AT_S)):
        _pass_time(started, at, reporter)
        when = lab.kill(gateway.name) if how == "power cut" else lab.silence(gateway.name)
        deaths.append(Death(gateway.name, how, when, _seconds_until_withdrawn(lab, gateway.inside, when)))
    _pass_time(started, REQUESTS_S + TIMEOUT_S + 1.0, reporter)
    fetches = parse_fetches(lab.log("pod", "requests"))
    before = [fetch for fetch in fetches if fetch.at + fetch.took_s < deaths[0].at]
    last = fetches[-PER_SECOND * 2 :]
    survivors = {gateway.public for gateway in lab.topology.gateways} - {cut.public, silent.public}
    recovered = bool(last) and all(fetch.seen in survivors for fetch in last)
    return spread(before), figures(fetches, deaths), recovered


def _pass_time(started: float, until_s: float, reporter: Reporter) -> None:
    while (now := time.monotonic() - started) < until_s:
        reporter.within(now / (REQUESTS_S + TIMEOUT_S + 1.0))
        time.sleep(0.1)


def _seconds_until_withdrawn(lab: Lab, next_hop: str, since: float) -> float:
    deadline = time.monotonic() + 6.0
    while time.monotonic() < deadline:
        if next_hop not in lab.next_hops():
            return round(max(0.0, lab.clock() - since), 2)
    return _NEVER
