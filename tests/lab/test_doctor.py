"""What the operator reads while something is broken: `doctor` names the part, the path sweep the size that passes."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lab.api import Lab
from tests.lab.fault import Fault
from tests.lab.faults import LEAVING
from tests.lab.injection import BACK_S, SEEN_S, Status, heal, on_request, status, strike, well
from tests.lab.questions import CONFIG, all_together

pytestmark = on_request
GATEWAY = "gw3"
WORDS = {
    "the next router is dead": ("192.0.2.1, the next router towards the targets, does not answer ARP", "ip neigh show"),
    "raw PREROUTING drops protocol 41": ("-t raw -A PREROUTING -p 41 -j DROP", "above that rule"),
}
# Emulated on a busy machine it took 74 s: it starts a dozen programs.
DOCTOR_S = 240.0
NARROW = 1400


@pytest.fixture(autouse=True)
def whole(lab: Lab) -> Iterator[None]:
    all_together(lab)
    yield
    lab.wait_for(lambda: well(status(lab, GATEWAY)), BACK_S, f"{GATEWAY} well again")
    all_together(lab)


@contextmanager
def broken(lab: Lab, fault: Fault) -> Iterator[None]:
    try:
        strike(lab, GATEWAY, fault)
        yield
    finally:
        heal(lab, GATEWAY, fault)


@pytest.mark.parametrize("fault", [fault for fault in LEAVING if fault.name in WORDS], ids=lambda fault: fault.name)
def test_doctor_names_the_broken_part_and_what_mends_it(lab: Lab, fault: Fault) -> None:
    with broken(lab, fault):
        lab.wait_for(lambda: status(lab, GATEWAY)["diagnosis"]["cause"] == fault.cause, SEEN_S, "the agent to name it")
        said = lab.run(GATEWAY, "kun-nat64", "doctor", "--config", CONFIG, timeout_s=DOCTOR_S, check=False)
    assert said.code == 1
    assert f"({fault.cause})" in said.stdout, said.stdout
    found, remedy = WORDS[fault.name]
    # iptables-save of Debian 12 has protocol 41 by its name.
    assert found in said.stdout.replace("-p ipv6", "-p 41"), said.stdout
    assert remedy in said.stdout, said.stdout


def swept(lab: Lab, since: float) -> Status | None:
    """What a sweep since that time of the guest's clock has found; None: there was none."""
    now = status(lab, GATEWAY)
    found: Status | None = now["path"]
    return found if found and now["time"] - found["measured_s_ago"] > since else None


def sweep_again(lab: Lab) -> Status:
    """A reload makes the agent sweep."""
    begun = lab.clock()
    lab.end(GATEWAY, "kun-nat64", signal=1, wait_s=0)
    return lab.wait_for(lambda: swept(lab, begun), 120, "a sweep") or {}


def test_the_sweep_finds_the_true_mtu_of_the_path_and_notices_a_smaller_one(lab: Lab) -> None:
    """Behind the gateway's own link, where nobody sends an error: packets that are too large just vanish."""
    before = lab.wait_for(lambda: swept(lab, 0.0), 60, "the first sweep") or {}
    assert (before["largest"], before["mss_fits"]) == (1520, True)
    try:
        lab.run("internet", "ip", "link", "set", GATEWAY, "mtu", str(NARROW))
        narrow = sweep_again(lab)
    finally:
        lab.run("internet", "ip", "link", "set", GATEWAY, "mtu", "1500")
    # The kernel's virtual cable lets 4 bytes more through, for a VLAN tag.
    assert NARROW <= narrow["largest"] - 20 <= NARROW + 4
    assert not narrow["mss_fits"]
    assert narrow["safe_mss"] == narrow["largest"] - 60
    assert f"[gateway] mss should be {narrow['safe_mss']}" in narrow["words"]
    assert sweep_again(lab)["largest"] == 1520
