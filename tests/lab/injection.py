"""Breaks a gateway of the lab, watches what its agent makes of it, heals it, and waits until all is well again."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from signal import SIGCONT, SIGSTOP
from time import monotonic, sleep
from typing import Any

import pytest

from lab.api import Lab
from lab.errors import LabError
from lab.guest import CommandFailed
from lab.outage import Outage
from tests.lab.fault import Action, Fault
from tests.lab.questions import announced
from tests.lab.traffic import Traffic

# Generous: the guest is emulated, and the machine may be busy.
# The kernel itself takes up to a minute to give a silent neighbour up.
SEEN_S, BACK_S = 90.0, 90.0
# Each look starts a program in the guest, on the same two processors that the agents run on.
POLL_S = 1.5
# A fault that is none must show nothing over this many probes: more than twice what makes a target count as dead.
QUIET_PROBES = 8
NOTHING_SENT = Outage(0, 0, 0.0)
Status = dict[str, Any]
on_request = pytest.mark.faults
# Nobody touches it: it says whose fault a failure is.
CONTROL = "gw1"


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of a fault: diagnoses and standings since it, in order.

    `evidence`: the rules and addresses that the agent named while it lasted. `left_s`, `away_until_s`: from just before
    the fault until the TOR did without this gateway, and until it did not any more. `back_s`: until all was well,
    from the fault or, where somebody has to heal it, from then. `udp`, `tcp`: what pods lost by it.
    """

    causes: tuple[str, ...]
    standings: tuple[tuple[str, str], ...]
    evidence: tuple[str, ...] = ()
    left_s: float | None = None
    away_until_s: float | None = None
    back_s: float | None = None
    udp: Outage = NOTHING_SENT
    tcp: Outage = NOTHING_SENT

    def __str__(self) -> str:
        stood = " > ".join("/".join(one) for one in self.standings) or "stayed"
        named = ", ".join(self.causes) or "nothing"
        times = f"the TOR without it from {_seconds(self.left_s)} to {_seconds(self.away_until_s)}"
        times += f", well after {_seconds(self.back_s)}"
        return f"{stood}; named {named}; {times}; pods: udp {self.udp}, tcp {self.tcp}; {', '.join(self.evidence)}"

    @property
    def outage_s(self) -> float:
        return max(self.udp.seconds, self.tcp.seconds)

    @property
    def left(self) -> bool:
        return any(standing != "full" for standing, _ in self.standings)


def status(lab: Lab, host: str) -> Status:
    url = f"http://{lab.topology.gateway(host).inside}:9465/status"
    found: Status = json.loads(lab.output(host, "curl", "-sS", "--max-time", "20", url))
    return found


def well(now: Status) -> bool:
    return bool(
        now["announcement"]["standing"] == "full"
        and now["diagnosis"]["cause"] == "none"
        and not now["machine"]["drift"]
    )


def inject(lab: Lab, host: str, fault: Fault, traffic: Traffic) -> Seen:
    """Raises LabError with the agent's last words when what the fault should bring does not come."""
    before = _await(lab, host, well, BACK_S, f"{host} well before: {fault.name}")
    begun, since = monotonic(), lab.clock()
    try:
        strike(lab, host, fault)
        during = _watch(lab, host, fault, before, lambda: traffic.left(host, since))
    finally:
        heal(lab, host, fault)
    healed = monotonic()
    after = _await(lab, host, well, BACK_S, f"{host} well after: {fault.name}")
    if fault.everywhere:
        lab.wait_until_ready(BACK_S)
    lab.wait_for(lambda: announced(lab, host), BACK_S, f"{host} back in the TOR's route: {fault.name}")
    return Seen(
        causes=_causes(after, before),
        standings=_standings(after, before),
        evidence=tuple(during["diagnosis"]["evidence"]) if during else (),
        left_s=traffic.left(host, since),
        away_until_s=traffic.back(host, since),
        back_s=monotonic() - (begun if fault.action is Action.RETURNS else healed),
        udp=traffic.outage(host, before["time"], after["time"], "udp"),
        tcp=traffic.outage(host, before["time"], after["time"], "tcp"),
    )


def _watch(lab: Lab, host: str, fault: Fault, before: Status, left: Callable[[], float | None]) -> Status:
    """Waits for what should come of it. An agent that is away or hangs is not asked: {}."""
    if fault.action is Action.UNNOTICED:
        sleep(fault.lasts_s)
        return {}
    if fault.action is Action.UNHEARD:
        lab.wait_for(lambda: left() is not None, SEEN_S, f"{host} out of the TOR's route: {fault.name}")
        if fault.cause == "none":
            return {}
    during = _await(lab, host, lambda now: _shown(now, before, fault), SEEN_S, f"{host}: {fault.name}")
    if fault.everywhere and fault.action is Action.RAISES:
        lab.wait_until_ready(SEEN_S)
    elif fault.action in (Action.LEAVES, Action.RAISES):
        lab.wait_for(lambda: not announced(lab, host), SEEN_S, f"{host} out of the TOR's route: {fault.name}")
    return during


def strike(lab: Lab, host: str, fault: Fault) -> None:
    _run(lab, host, host, fault.breaks)
    _run(lab, host, "internet", fault.internet_breaks)
    _run(lab, host, "tor", fault.tor_breaks)
    if fault.service:
        lab.end(host, fault.service, fault.signal, wait_s=0 if fault.signal == SIGSTOP else 10)


def heal(lab: Lab, host: str, fault: Fault) -> None:
    """All of it, also where a part fails. Raises that part's CommandFailed."""
    with ExitStack() as steps:
        if fault.signal == SIGSTOP:
            steps.callback(lab.end, host, fault.service, SIGCONT, wait_s=0)
        elif fault.service:
            steps.callback(lab.start_service, host, fault.service)
        steps.callback(_run, lab, host, host, fault.heals)
        steps.callback(_run, lab, host, "internet", fault.internet_heals)
        steps.callback(_run, lab, host, "tor", fault.tor_heals)


def _run(lab: Lab, gateway: str, where: str, script: str) -> None:
    if script:
        its = lab.topology.gateway(gateway)
        words = script.format(public=its.public, inside=its.inside, tor=its.tor, name=gateway)
        lab.run(where, "sh", "-ec", words)


def _await(lab: Lab, host: str, probe: Any, limit_s: float, what: str) -> Status:
    last: Status = {}

    def ask() -> Status | None:
        try:
            last.update(status(lab, host))
        except CommandFailed:  # it is being started
            return None
        return last if probe(last) else None

    try:
        return dict(lab.wait_for(ask, limit_s, what, every_s=POLL_S) or {})
    except LabError as error:
        parts = {key: last.get(key) for key in ("announcement", "diagnosis", "health", "history")}
        raise LabError(f"{error}\n{json.dumps(parts, indent=1)}") from error


def _shown(now: Status, before: Status, fault: Fault) -> bool:
    """True when the agent has done and said what the fault asks for, or (NOTHING) has had the time to be wrong."""
    standings, current = _standings(now, before), now["diagnosis"]["cause"]
    match fault.action:
        case Action.NOTHING | Action.NAMES:
            sent = [after["sent"] - then["sent"] for after, then in _targets(now, before)]
            named = current == fault.cause and (not fault.unknown or fault.unknown in now["machine"]["unknown"])
            return named and min(sent) >= QUIET_PROBES
        case Action.MENDS:
            return _mended(now, fault) > _mended(before, fault) and not now["machine"]["drift"]
        case Action.RETURNS:
            left = any(("out", reason) in standings for reason in fault.reasons)
            return left and _mended(now, fault) > _mended(before, fault)
        case Action.RAISES:
            return current == fault.cause and ("soft", fault.reason) in standings
        case Action.LEAVES:
            return current == fault.cause and ("out", fault.reason) in standings
        case Action.UNHEARD | Action.UNNOTICED:
            return current == fault.cause


def _targets(now: Status, before: Status) -> list[tuple[Any, Any]]:
    return list(zip(now["health"]["targets"], before["health"]["targets"], strict=True))


def _mended(now: Status, fault: Fault) -> int:
    return int(now["machine"]["mended"].get(fault.mends, 0))


def _causes(now: Status, before: Status) -> tuple[str, ...]:
    return tuple(one["cause"] for one in now["diagnosis"]["recent"] if one["at"] > before["time"])


def _standings(now: Status, before: Status) -> tuple[tuple[str, str], ...]:
    return tuple((one["standing"], one["reason"]) for one in now["history"] if one["at"] > before["time"])


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"


def disturbance(before: Status, after: Status) -> str:
    """Why the gateway that nobody touched says that this machine is too busy; "" if it does not."""
    left = [one["reason"] for one in after["history"] if one["at"] > before["time"] and one["standing"] != "full"]
    if left:
        return f"{CONTROL}, which nobody touched, left as well: {', '.join(left)}"
    for then, now in zip(before["health"]["targets"], after["health"]["targets"], strict=True):
        sent, lost = now["sent"] - then["sent"], now["lost"] - then["lost"]
        if lost * 10 > sent:
            return f"{CONTROL}, which nobody touched, lost {lost} of {sent} probes"
    return ""
