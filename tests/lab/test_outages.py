"""What pods notice of every fault at the shipped pace: one gateway of three is broken, nothing else. Long: by request.

    .venv/bin/python -m pytest -m soak tests/lab/test_outages.py -v -rA

prints the figures of docs/failures.md.
"""

from collections.abc import Iterator

import pytest

from lab.api import Lab
from tests.lab.fault import Fault
from tests.lab.faults import LEAVING, RAISING, RETURNING, STAYING
from tests.lab.injection import CONTROL, inject
from tests.lab.outerfaults import AGENT, ANNOUNCEMENT, EVERYWHERE
from tests.lab.pace import GATEWAY, one_at_the_shipped_pace
from tests.lab.traffic import Traffic, continuous

pytestmark = pytest.mark.soak
# Gateways of different paces do not learn together that nobody reaches the targets: the quick one leaves first.
TOGETHER = ("all targets are dead",)
EVERYBODYS = [fault for fault in EVERYWHERE if fault.name not in TOGETHER]
FAULTS = (*LEAVING, *RAISING, *RETURNING, *STAYING, *ANNOUNCEMENT, *AGENT, *EVERYBODYS)


@pytest.fixture(scope="module")
def traffic(lab: Lab) -> Iterator[Traffic]:
    with one_at_the_shipped_pace(lab), continuous(lab) as asking:
        yield asking


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_at_the_shipped_pace(lab: Lab, traffic: Traffic, fault: Fault) -> None:
    begun = lab.clock()
    seen = inject(lab, GATEWAY, fault, traffic)
    print(f"{fault.name}: {seen}; by the untouched one: {traffic.outage(CONTROL, begun, lab.clock())}")
    # Which flows come this way is the router's hash: it need not be some of each kind.
    assert seen.udp.sent + seen.tcp.sent
