"""Breaks a gateway of the lab, watches what its agent makes of it, heals it, and waits until all is well again."""

import json
from dataclasses import dataclass
from time import monotonic
from typing import Any

import pytest
from faults import Action, Fault
from questions import announced
from traffic import Traffic

from lab.api import Lab
from lab.errors import LabError
from lab.outage import Outage

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
    """What came of a fault: diagnoses and standings since it, in order; how long until it left, and until it was back.

    `evidence`: the rules and addresses that the agent named while it lasted. `udp`, `tcp`: what pods lost by it.
    """

    causes: tuple[str, ...]
    standings: tuple[tuple[str, str], ...]
    mended: int
    evidence: tuple[str, ...] = ()
    left_s: float | None = None
    back_s: float | None = None
    udp: Outage = NOTHING_SENT
    tcp: Outage = NOTHING_SENT

    def __str__(self) -> str:
        stood = " > ".join("/".join(one) for one in self.standings) or "stayed"
        named = ", ".join(self.causes) or "nothing"
        times = f"left after {_seconds(self.left_s)}, back after {_seconds(self.back_s)}"
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
    begun = monotonic()
    try:
        _run(lab, host, fault, fault.breaks, fault.internet_breaks)
        during = _await(lab, host, lambda now: _shown(now, before, fault), SEEN_S, f"{host}: {fault.name}")
        if fault.action is Action.LEAVES:
            lab.wait_for(lambda: not announced(lab, host), SEEN_S, f"{host} out of the TOR's route: {fault.name}")
    finally:
        _run(lab, host, fault, fault.heals, fault.internet_heals)
    healed = monotonic()
    after = _await(lab, host, well, BACK_S, f"{host} well after: {fault.name}")
    lab.wait_for(lambda: announced(lab, host), BACK_S, f"{host} back in the TOR's route: {fault.name}")
    return Seen(
        causes=_causes(after, before),
        standings=_standings(after, before),
        mended=_mended(after, fault) - _mended(before, fault),
        evidence=tuple(during["diagnosis"]["evidence"]),
        left_s=_left_after(after, before),
        back_s=monotonic() - (healed if fault.action is Action.LEAVES else begun),
        udp=traffic.outage(host, before["time"], after["time"], "udp"),
        tcp=traffic.outage(host, before["time"], after["time"], "tcp"),
    )


def _run(lab: Lab, host: str, fault: Fault, here: str, outside: str) -> None:
    words = {"public": lab.topology.gateway(host).public, "name": host}
    lab.run(host, "sh", "-ec", here.format(**words))
    if outside:
        lab.run("internet", "sh", "-ec", outside.format(**words))


def _await(lab: Lab, host: str, probe: Any, limit_s: float, what: str) -> Status:
    last: Status = {}

    def ask() -> Status | None:
        last.update(status(lab, host))
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
        case Action.NOTHING:
            sent = [after["sent"] - then["sent"] for after, then in _targets(now, before)]
            return min(sent) >= QUIET_PROBES
        case Action.MENDS:
            return _mended(now, fault) > _mended(before, fault) and not now["machine"]["drift"]
        case Action.RETURNS:
            return ("out", fault.reason) in standings and _mended(now, fault) > _mended(before, fault)
        case Action.LEAVES:
            return current == fault.cause and ("out", fault.reason) in standings


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


def _left_after(now: Status, before: Status) -> float | None:
    left = (one["at"] for one in now["history"] if one["at"] > before["time"] and one["standing"] != "full")
    first = next(left, None)
    return None if first is None else float(first - before["time"])


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
