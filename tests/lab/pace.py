"""Other times for the agents. With the shipped ones one alone: three at that pace would measure each other."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from lab.api import Lab
from tests.lab.injection import BACK_S, status
from tests.lab.questions import CONFIG, all_together, readyz

GATEWAY = "gw2"
SHIPPED = {
    "interval_s = 0.5": "interval_s = 0.2",
    "timeout_s = 0.9": "timeout_s = 0.3",
    "observe_s = 4.0": "observe_s = 2.0",
    # Not part of the detection, and too long for a gateway that is broken again and again.
    "hold_down_s = 5.0": "hold_down_s = 0.5",
    "hold_down_max_s = 300.0": "hold_down_max_s = 0.5",
}
RARELY = {"interval_s = 0.5": "interval_s = 2.0", "timeout_s = 0.9": "timeout_s = 2.5"}


@contextmanager
def at_pace(lab: Lab, host: str, words: dict[str, str]) -> Iterator[None]:
    script = "; ".join(f"s/^{before}\\b/{after}/" for before, after in words.items())
    lab.run(host, "sh", "-ec", f"cp {CONFIG} {CONFIG}.calm; sed -i '{script}' {CONFIG}")
    lab.restart_service(host, "kun-nat64")
    try:
        yield
    finally:
        lab.end(host, "kun-nat64")
        lab.run(host, "sh", "-c", f"mv {CONFIG}.calm {CONFIG}; rm -f /run/kun-nat64/falls.json")
        lab.start_service(host, "kun-nat64")


@contextmanager
def one_at_the_shipped_pace(lab: Lab) -> Iterator[None]:
    """That one is GATEWAY."""
    everybody_answers(lab)
    first, second = (gateway.name for gateway in lab.topology.gateways if gateway.name != GATEWAY)
    with at_pace(lab, first, RARELY), at_pace(lab, second, RARELY), at_pace(lab, GATEWAY, SHIPPED):
        everybody_answers(lab)
        yield
    everybody_answers(lab)


def everybody_answers(lab: Lab) -> None:
    """A path outlives its agent: that it is announced does not say that the next agent is there already."""
    for gateway in lab.topology.gateways:
        lab.wait_for(partial(_ready, lab, gateway.name), BACK_S, f"the agent of {gateway.name}")
    all_together(lab)


def _ready(lab: Lab, host: str) -> bool:
    return readyz(lab, host) == "200"


@contextmanager
def hurried(lab: Lab, words: dict[str, str]) -> Iterator[None]:
    """All of them, by a reload, so that the agents go on. Ends with new agents that know of no falls: what comes next
    must not wait out the hold-down of thirty.
    """
    script = "; ".join(f"s/^{before} /{after} /; s/^{before}$/{after}/" for before, after in words.items())
    for gateway in lab.topology.gateways:
        # One that is still starting would read the new file at once, and no reload would be seen.
        lab.wait_for(partial(_ready, lab, gateway.name), BACK_S, f"the agent of {gateway.name}")
        lab.run(gateway.name, "sh", "-ec", f"cp {CONFIG} {CONFIG}.calm; sed -i '{script}' {CONFIG}")
        lab.end(gateway.name, "kun-nat64", signal=1, wait_s=0)
    for gateway in lab.topology.gateways:
        lab.wait_for(partial(_has_read, lab, gateway.name), BACK_S, f"{gateway.name} at the new pace")
    yield
    for gateway in lab.topology.gateways:
        lab.end(gateway.name, "kun-nat64")
        lab.run(gateway.name, "sh", "-c", f"mv {CONFIG}.calm {CONFIG}; rm -f /run/kun-nat64/falls.json")
        lab.start_service(gateway.name, "kun-nat64")
    everybody_answers(lab)


def _has_read(lab: Lab, host: str) -> bool:
    now = status(lab, host)
    assert "config" not in now["warnings"], now["warnings"]
    return "reload" in lab.log(host, "kun-nat64")
