"""Every fault of the table on a real gateway: the right name, the right action, and back to normal once it is healed.

gw2 and gw3 are broken side by side. gw1 is left alone: it says whose fault a failure is, and it is the control. When
the untouched gateway loses probes, too, the machine is too busy to tell a fault from its own slowness, and the attempt
says nothing.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import pytest
from faults import LEAVING, RETURNING, STAYING, Action, Fault
from injection import BACK_S, CONTROL, Seen, disturbance, inject, on_request, status
from questions import CONFIG, all_together, readyz
from traffic import Traffic, continuous

from lab.api import Lab
from lab.errors import LabError

FAULTS = (*LEAVING, *RETURNING, *STAYING)
# Every fall doubles the hold-down: right for a fleet, too long for one that is broken thirty times in a row. Probes are
# slow and patient: gateways that are broken at once keep two emulated processors busy enough to lose some.
PACE = {
    "hold_down_s = 5.0": "hold_down_s = 0.5",
    "hold_down_max_s = 300.0": "hold_down_max_s = 0.5",
    "rise = 10": "rise = 3",
    "interval_s = 0.5": "interval_s = 1.0",
    "timeout_s = 0.9": "timeout_s = 2.5",
    "poll_s = 1.0": "poll_s = 3.0",
    "timeout_s = 0.8": "timeout_s = 3.0",
}
TRIES = 2
Outcomes = dict[str, Future[Seen]]


class TooBusy(Exception):
    """The control did not hold: nothing can be said about the fault."""


class Lane:
    """Injects one fault after the other into one gateway; gives up where the machine is too busy for it."""

    def __init__(self, lab: Lab, host: str, traffic: Traffic) -> None:
        self._lab, self._host, self._traffic = lab, host, traffic
        self._too_busy = ""

    def attempt(self, fault: Fault) -> Seen:
        """Raises TooBusy, AssertionError, LabError."""
        for _ in range(TRIES):
            if self._too_busy:
                raise TooBusy(self._too_busy)
            before = status(self._lab, CONTROL)
            try:
                seen = inject(self._lab, self._host, fault, self._traffic)
                problem = amiss(fault, seen)
                if not problem:
                    return seen
            except LabError as error:
                problem = str(error)
            self._too_busy = disturbance(before, status(self._lab, CONTROL))
        raise AssertionError(problem)


def amiss(fault: Fault, seen: Seen) -> str:
    """What is not as the table says; "" if nothing."""
    if fault.cause != "none" and fault.cause not in seen.causes:
        return f"diagnosed {seen.causes}, not {fault.cause}"
    if fault.action in (Action.NOTHING, Action.MENDS):
        others = [cause for cause in seen.causes if cause != fault.cause]
        return f"stood {seen.standings}, diagnosed {seen.causes}" if seen.left or others else ""
    if ("out", fault.reason) not in seen.standings or seen.standings[-1] != ("full", "healthy"):
        return f"stood {seen.standings}"
    return ""


@pytest.fixture(scope="module")
def outcomes(lab: Lab) -> Iterator[Outcomes]:
    """Starts both lanes; each test waits for its own fault."""
    hurry(lab)
    with continuous(lab) as traffic:
        queues = [(Lane(lab, host, traffic), ThreadPoolExecutor(max_workers=1)) for host in ("gw2", "gw3")]
        try:
            yield {
                fault.name: queues[number % 2][1].submit(queues[number % 2][0].attempt, fault)
                for number, fault in enumerate(FAULTS)
            }
        finally:
            for _, queue in queues:
                queue.shutdown(wait=True, cancel_futures=True)
    restore(lab)
    all_together(lab)


def hurry(lab: Lab) -> None:
    """By a reload, so that the agents go on."""
    script = "; ".join(f"s/^{before} /{after} /; s/^{before}$/{after}/" for before, after in PACE.items())
    for gateway in lab.topology.gateways:
        # One that is still starting would read the new file at once, and no reload would be seen.
        lab.wait_for(partial(_ready, lab, gateway.name), BACK_S, f"the agent of {gateway.name}")
        lab.run(gateway.name, "sh", "-ec", f"cp {CONFIG} {CONFIG}.calm; sed -i '{script}' {CONFIG}")
        lab.end(gateway.name, "kun-nat64", signal=1, wait_s=0)
    for gateway in lab.topology.gateways:
        lab.wait_for(partial(_has_read, lab, gateway.name), BACK_S, f"{gateway.name} at the new pace")


def _has_read(lab: Lab, host: str) -> bool:
    now = status(lab, host)
    assert "config" not in now["warnings"], now["warnings"]
    return "reload" in lab.log(host, "kun-nat64")


def _ready(lab: Lab, host: str) -> bool:
    return readyz(lab, host) == "200"


def restore(lab: Lab) -> None:
    """With new agents that know of no falls: what comes next must not wait out the hold-down of thirty."""
    for gateway in lab.topology.gateways:
        lab.end(gateway.name, "kun-nat64")
        lab.run(gateway.name, "sh", "-c", f"mv {CONFIG}.calm {CONFIG}; rm -f /run/kun-nat64/falls.json")
        lab.start_service(gateway.name, "kun-nat64")


@on_request
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_has_its_name_its_action_and_an_end(outcomes: Outcomes, fault: Fault) -> None:
    try:
        print(outcomes[fault.name].result(timeout=1200))
    except TooBusy as why:
        pytest.skip(f"this machine is too busy for an emulated network: {why}")
