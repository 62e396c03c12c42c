"""Pods that go on asking while gateways are broken, and how long each gateway owed them answers."""

from collections.abc import Iterator
from contextlib import contextmanager

from lab.api import Lab
from lab.evidence import embedded
from lab.outage import Outage, outage, parse_requests

LOG = "/run/lab/log/pod.flows.log"
# Twelve UDP flows and six of short TCP connections, each twice a second: some ten requests a second for each of three
# gateways. More would slow down the emulated network that they measure.
UDP_FLOWS, TCP_FLOWS, INTERVAL_S, TIMEOUT_S = 12, 6, 0.5, 1.0
# What a fault and its end can take: 36 lines of 65 octets a second, for four minutes.
REMEMBERED = 600_000


class Traffic:
    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def outage(self, host: str, since: float, until: float, protocol: str = "") -> Outage:
        """Of requests by that gateway between two times of the guest's clock."""
        text = self._lab.guest.run("", "tail", "-c", str(REMEMBERED), LOG).stdout
        return outage(parse_requests(text), self._lab.topology.gateway(host).public, since, until, protocol)


@contextmanager
def continuous(lab: Lab) -> Iterator[Traffic]:
    target = embedded(lab.topology.web_server)
    arguments = (target, str(UDP_FLOWS), str(TCP_FLOWS), str(INTERVAL_S), str(TIMEOUT_S))
    lab.spawn("pod", "flows", "/usr/bin/python3", "-IS", "/opt/lab/flows.py", *arguments)
    try:
        yield Traffic(lab)
    finally:
        lab.end("pod", "flows")
        lab.guest.run("", "rm", "-f", LOG)
