"""The running lab with FRR or BIRD on some of its gateways, and back to GoBGP at the end."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from lab.api import Lab
from lab.codedisk import shipped_files
from lab.rendering import host_files
from lab.services import services_of
from lab.speakers import with_speakers
from lab.topology import Topology
from tests.lab.pace import everybody_answers
from tests.lab.questions import all_together

SPEAKERS = {"gw2": "frr", "gw3": "bird"}
WRITE = 'mkdir -p "${1%/*}"; cat >"$1"'


@contextmanager
def speaking(lab: Lab, speakers: Mapping[str, str], managed: bool = False) -> Iterator[None]:
    """`managed`: their agents write neighbours and filters, with BFD."""
    all_together(lab)
    usual = lab.topology
    _become(lab, with_speakers(usual, speakers, managed), speakers)
    try:
        everybody_answers(lab)
        yield
    finally:
        _become(lab, usual, speakers)
    everybody_answers(lab)


def _become(lab: Lab, plan: Topology, gateways: Mapping[str, str]) -> None:
    shipped = shipped_files()
    for host in gateways:
        for service in reversed(services_of(lab.topology, lab.topology.host(host))):
            if lab.end(host, service.name) is None:
                lab.end(host, service.name, signal=9)
        lab.run(host, "sh", "-c", "rm -f /etc/kun/frr.conf /etc/kun/bird.conf /run/kun-nat64/falls.json")
    lab.topology = plan
    for host in (*gateways, "tor"):
        for path, text in host_files(plan, plan.host(host), shipped).items():
            lab.run(host, "sh", "-ec", WRITE, "-", path, stdin=text)
    lab.run("tor", "birdc", "-s", "/run/bird.ctl", "configure")
    lab.start_services(frozenset(gateways))
