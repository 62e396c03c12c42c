"""Lanes: each breaks one gateway in one way after the other, side by side, while a third gateway is the control."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from lab.api import Lab
from lab.errors import LabError
from tests.lab.fault import Action, Fault
from tests.lab.injection import CONTROL, Seen, disturbance, inject, status
from tests.lab.traffic import Traffic

BROKEN = ("gw2", "gw3")
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
            if not fault.everywhere:
                self._too_busy = disturbance(before, status(self._lab, CONTROL))
        raise AssertionError(problem)


def amiss(fault: Fault, seen: Seen) -> str:
    """What is not as the table says; "" if nothing."""
    if fault.cause != "none" and not fault.causes & {*seen.causes}:
        return f"diagnosed {seen.causes}, not {fault.cause}"
    if seen.left_s is not None and fault.action is Action.UNNOTICED:
        return f"the TOR left it after {seen.left_s:.1f} s"
    if fault.action in (Action.NOTHING, Action.NAMES, Action.MENDS, Action.UNNOTICED):
        others = [cause for cause in seen.causes if cause not in fault.causes]
        return f"stood {seen.standings}, diagnosed {seen.causes}" if seen.left or others else ""
    if fault.action is Action.UNHEARD:
        return ""
    standing = "soft" if fault.action is Action.RAISES else "out"
    named = {(standing, reason) for reason in fault.reasons}
    if not named & {*seen.standings} or seen.standings[-1] != ("full", "healthy"):
        return f"stood {seen.standings}"
    if standing == "soft" and any(each == "out" for each, _ in seen.standings):
        return f"left altogether: {seen.standings}"
    return ""


@contextmanager
def lanes(lab: Lab, traffic: Traffic, faults: Sequence[Fault]) -> Iterator[Outcomes]:
    """Two, which begin at once."""
    queues = [(Lane(lab, host, traffic), ThreadPoolExecutor(max_workers=1)) for host in BROKEN]
    try:
        yield {
            fault.name: queues[number % 2][1].submit(queues[number % 2][0].attempt, fault)
            for number, fault in enumerate(faults)
        }
    finally:
        for _, queue in queues:
            queue.shutdown(wait=True, cancel_futures=True)
