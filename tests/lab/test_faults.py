"""Every fault of the table on a real gateway: the right name, the right action, and back to normal once it is healed.

gw2 and gw3 are broken side by side. gw1 is left alone: it says whose fault a failure is, and it is the control. When
the untouched gateway loses probes, too, the machine is too busy to tell a fault from its own slowness, and the attempt
says nothing.
"""

from collections.abc import Iterator
from concurrent.futures import wait
from typing import cast

import pytest

from lab.api import Lab
from tests.lab.fault import Fault
from tests.lab.faults import LEAVING, RAISING, RETURNING, STAYING
from tests.lab.injection import on_request
from tests.lab.lane import Lane, Outcomes, TooBusy, lanes
from tests.lab.outerfaults import AGENT, ANNOUNCEMENT, EVERYWHERE
from tests.lab.pace import hurried
from tests.lab.traffic import Traffic, continuous

FAULTS = (*LEAVING, *RAISING, *RETURNING, *STAYING, *ANNOUNCEMENT, *AGENT)
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


@pytest.fixture(scope="module")
def traffic(lab: Lab) -> Iterator[Traffic]:
    with hurried(lab, PACE), continuous(lab) as traffic:
        yield traffic


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest, lab: Lab, traffic: Traffic) -> Iterator[Outcomes]:
    """Of the faults that this run asks for; each test waits for its own."""
    here = [item for item in request.session.items if item.getparent(pytest.Module) is request.node]
    functions = [item for item in here if isinstance(item, pytest.Function)]
    asked = {cast(Fault, item.callspec.params["fault"]).name for item in functions if "outcomes" in item.fixturenames}
    with lanes(lab, traffic, [fault for fault in FAULTS if fault.name in asked]) as started:
        yield started


@on_request
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_has_its_name_its_action_and_an_end(outcomes: Outcomes, fault: Fault) -> None:
    try:
        print(outcomes[fault.name].result(timeout=1200))
    except TooBusy as why:
        pytest.skip(f"this machine is too busy for an emulated network: {why}")


@on_request
@pytest.mark.parametrize("fault", EVERYWHERE, ids=lambda fault: fault.name)
def test_a_fault_of_all_gateways_has_its_name_its_action_and_an_end(
    lab: Lab, traffic: Traffic, outcomes: Outcomes, fault: Fault
) -> None:
    wait(outcomes.values())
    print(Lane(lab, "gw2", traffic).attempt(fault))
