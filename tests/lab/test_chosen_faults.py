"""A few rows of the table, in a minute or two: what the kernel tells, what only probes tell, what raises MED.

All of them: test_faults.py.
"""

from collections.abc import Iterator

import pytest

from lab.api import Lab
from tests.lab.faults import LEAVING, RAISING, RETURNING
from tests.lab.injection import on_request
from tests.lab.lane import Outcomes, TooBusy, lanes
from tests.lab.pace import hurried
from tests.lab.traffic import continuous

pytestmark = on_request
CHOSEN = (
    "the tunnel is deleted",
    "INPUT drops protocol 41",
    "the instance is gone",
    "one target is dead for this gateway alone",
)
QUICKLY_BACK = {"hold_down_s = 5.0": "hold_down_s = 0.5", "hold_down_max_s = 300.0": "hold_down_max_s = 0.5"}


@pytest.fixture(scope="module")
def outcomes(lab: Lab) -> Iterator[Outcomes]:
    by_name = {fault.name: fault for fault in (*LEAVING, *RAISING, *RETURNING)}
    with (
        hurried(lab, QUICKLY_BACK),
        continuous(lab) as traffic,
        lanes(lab, traffic, [by_name[name] for name in CHOSEN]) as started,
    ):
        yield started


@pytest.mark.parametrize("name", CHOSEN)
def test_a_chosen_fault_has_its_name_its_action_and_an_end(outcomes: Outcomes, name: str) -> None:
    try:
        print(outcomes[name].result(timeout=400))
    except TooBusy as why:
        pytest.skip(f"this machine is too busy for an emulated network: {why}")
