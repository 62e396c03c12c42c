"""One gateway loses its power, another falls silent, and a pod goes on fetching a page: as `make demo` shows it."""

from collections.abc import Iterator

import pytest

from lab.api import Lab
from lab.demo import TIMEOUT_S, deaths_under_load
from lab.progress import Silent
from tests.lab.questions import all_together

pytestmark = pytest.mark.both_debians
# The hold time of three seconds, and what a busy emulated processor adds to it.
WITHDRAWN_S = 6.0


@pytest.fixture
def mortal(lab: Lab) -> Iterator[Lab]:
    all_together(lab)
    yield lab
    for gateway in lab.topology.gateways[-2:]:
        lab.heal(gateway.name)
    all_together(lab)


def test_requests_go_on_through_the_gateways_that_are_left(mortal: Lab) -> None:
    served, deaths, recovered = deaths_under_load(mortal, Silent())
    assert len(served) >= 2, f"before the deaths one gateway served everything: {served}"
    assert recovered, "the requests of the last two seconds were not all served by the gateway that is left"
    assert [death.how for death in deaths] == ["power cut", "silent"]
    for death in deaths:
        assert death.withdrawn_s <= WITHDRAWN_S
        assert death.outage_s <= WITHDRAWN_S + TIMEOUT_S
        assert death.failed < death.requests
