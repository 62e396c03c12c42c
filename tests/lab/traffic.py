"""Pods that go on asking while gateways are broken: how long each owed them answers, and when the TOR left it."""

from collections.abc import Iterator
from contextlib import contextmanager

from lab.api import Lab
from lab.evidence import embedded
from lab.outage import Outage, outage, parse_requests
from tests.lab.route import back_at, left_at

LOG = "/run/lab/log/pod.flows.log"
# Twelve UDP flows and six of short TCP connections, each twice a second: some ten requests a second for each of three
# gateways. More would slow down the emulated network that they measure.
UDP_FLOWS, TCP_FLOWS, INTERVAL_S, TIMEOUT_S = 12, 6, 0.5, 1.0
# What a fault and its end can take: 36 lines of 65 bytes a second, for four minutes.
REMEMBERED = 600_000
ROUTES = "routes-meanwhile"


class Traffic:
    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def outage(self, host: str, since: float, until: float, protocol: str = "") -> Outage:
        """Of requests by that gateway between two times of the guest's clock."""
        text = self._lab.guest.run("", "tail", "-c", str(REMEMBERED), LOG).stdout
        return outage(parse_requests(text), self._lab.topology.gateway(host).public, since, until, protocol)

    def left(self, host: str, since: float) -> float | None:
        """Seconds until the TOR did not send to that gateway any more; None while it does."""
        at = left_at(self._lab.log("tor", ROUTES), self._lab.topology.gateway(host).inside, since)
        return None if at is None else at - since

    def back(self, host: str, since: float) -> float | None:
        """Seconds until the TOR, having left it, sent to it again; None before."""
        left_s, log = self.left(host, since), self._lab.log("tor", ROUTES)
        at = left_s and back_at(log, self._lab.topology.gateway(host).inside, since + left_s)
        return at - since if at else None


@contextmanager
def continuous(lab: Lab) -> Iterator[Traffic]:
    target = embedded(lab.topology.web_server)
    arguments = (target, str(UDP_FLOWS), str(TCP_FLOWS), str(INTERVAL_S), str(TIMEOUT_S))
    lab.spawn("tor", ROUTES, "ip", "-4", "-ts", "-o", "monitor", "route")
    lab.spawn("pod", "flows", "/usr/bin/python3", "-IS", "/opt/lab/flows.py", *arguments)
    try:
        yield Traffic(lab)
    finally:
        lab.end("pod", "flows")
        lab.end("tor", ROUTES)
        lab.guest.run("", "rm", "-f", LOG)
