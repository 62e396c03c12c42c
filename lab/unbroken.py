"""Changes of the set of gateways under long flows: one is drained, comes back, the router hashes anew, one dies.

`python -m lab unbroken` prints the table of docs/no-flow-breaks.md.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lab.api import Lab
from lab.evidence import embedded
from lab.longflows import Account, Change, account, change, reset_delays

LOG = "longflows"
OTHER_HASH, SHIPPED_HASH = "0x0c00", "0x0dc0"


@dataclass(frozen=True, slots=True)
class Load:
    downloads: int
    uploads: int
    echoes: int
    interval_s: float

    @property
    def quiet_s(self) -> float:
        """A flow that hears nothing for so long hangs."""
        return 4.0 + 3 * self.interval_s

    @property
    def settle_s(self) -> float:
        return self.quiet_s + 2.0


@contextmanager
def long_flows(lab: Lab, load: Load) -> Iterator[None]:
    target = embedded(lab.topology.web_server)
    numbers = (str(load.downloads), str(load.uploads), str(load.echoes), str(load.interval_s), str(load.quiet_s))
    lab.spawn("pod", LOG, "/usr/bin/python3", "-IS", "/opt/lab/longflows.py", target, *numbers)
    try:
        lab.wait_for(lambda: now(lab).ready, 180, "every flow to be open")
        everything = load.downloads + load.uploads
        lab.wait_for(lambda: sum(now(lab).moving.values()) == everything, 60, "every flow to move")
        lab.wait_for(lambda: len(now(lab).seen) == load.echoes, 60, "every datagram's answer")
        yield
    finally:
        lab.end("pod", LOG)
        lab.guest.run("", "rm", "-f", f"/run/lab/log/pod.{LOG}.log")


def now(lab: Lab) -> Account:
    return account(lab.log("pod", LOG))


def changed(lab: Lab, load: Load, what: str, act: Callable[[], None]) -> Change:
    before = now(lab)
    act()
    time.sleep(load.settle_s)
    return change(what, before, now(lab))


def drained(lab: Lab, load: Load, gateway: str) -> Change:
    def drain() -> None:
        lab.run(gateway, "kun-nat64", "drain", "--why", "measured")
        lab.wait_for(lambda: not _is_next_hop(lab, gateway), 30, f"{gateway} out of the TOR's route")

    return changed(lab, load, f"{gateway} drained", drain)


def returned(lab: Lab, load: Load, gateway: str) -> Change:
    def undrain() -> None:
        lab.run(gateway, "kun-nat64", "undrain")
        lab.wait_for(lambda: _is_next_hop(lab, gateway), 90, f"{gateway} back in the TOR's route")

    return changed(lab, load, f"{gateway} back", undrain)


def rehashed(lab: Lab, load: Load) -> Change:
    """The TOR spreads flows by their ports alone: many of them another way than before."""

    def rehash() -> None:
        lab.run("tor", "sysctl", "-qw", f"net.ipv4.fib_multipath_hash_fields={OTHER_HASH}")

    try:
        return changed(lab, load, "the TOR's hash changed", rehash)
    finally:
        lab.run("tor", "sysctl", "-qw", f"net.ipv4.fib_multipath_hash_fields={SHIPPED_HASH}")


@dataclass(frozen=True, slots=True)
class Killed:
    """`delays`: seconds from a packet of the pod to the RST that answered it, for each flow that ended."""

    change: Change
    delays: list[float]


def killed(lab: Lab, load: Load, gateway: str) -> Killed:
    """A power cut. Its own flows are those that Jool there has sessions for just before."""
    own_tcp, own_udp = (own_sessions(lab, gateway, protocol) for protocol in ("tcp", "udp"))
    before = now(lab)
    with lab.capture("pod", "eth0", "tcp port 80") as capture:
        since = lab.kill(gateway)
        time.sleep(load.settle_s)
        after = now(lab)
    delays = reset_delays(capture.packets, lab.topology.pod_address, since)
    return Killed(change(f"{gateway} killed", before, after, own_tcp, own_udp), delays)


@dataclass(frozen=True, slots=True)
class Lived:
    """A download and an echo through `gateway`, which was drained and came back. `seen`: where the server saw the echo
    come from, in order: one address and port where nothing broke.
    """

    gateway: str
    drained: Change
    returned: Change
    seen: list[str]

    @property
    def ok(self) -> bool:
        return self.drained.tcp_lost == self.returned.tcp_lost == 0 and len(self.seen) == 1


def lives_through_a_drain(lab: Lab) -> Lived:
    load = Load(downloads=1, uploads=0, echoes=1, interval_s=0.5)
    with long_flows(lab, load):
        carriers = [one.name for one in lab.topology.gateways if own_sessions(lab, one.name, "tcp")]
        gateway = carriers[0] if carriers else lab.topology.gateways[0].name
        out = drained(lab, load, gateway)
        back = returned(lab, load, gateway)
        return Lived(gateway, out, back, [place for _, place in now(lab).seen["udp-0"]])


def own_sessions(lab: Lab, gateway: str, protocol: str) -> int:
    """Of the pod, and living."""
    words = ("jool", "-i", "kun", "session", "display", f"--{protocol}", "--numeric", "--csv", "--no-headers")
    rows = [row.split(",") for row in lab.output(gateway, *words).splitlines()]
    wanted = ("ESTABLISHED",) if protocol == "tcp" else ("",)
    mine = [row for row in rows if row[1] == lab.topology.pod_address and (protocol == "udp" or row[-1] in wanted)]
    return len(mine)


def ring_packets(lab: Lab, gateway: str) -> dict[str, int]:
    """The counters of the ring, as the kernel has them now."""
    listed = json.loads(lab.output(gateway, "nft", "-j", "list", "counters", "table", "ip6", "kun-nat64"))["nftables"]
    return {one["counter"]["name"]: one["counter"]["packets"] for one in listed if "counter" in one}


def _is_next_hop(lab: Lab, gateway: str) -> bool:
    return lab.topology.gateway(gateway).inside in lab.next_hops()


def measure(lab: Lab, load: Load, tell: Callable[[str], None]) -> None:
    """All changes, one after the other, under one set of flows."""
    first, _, last = (gateway.name for gateway in lab.topology.gateways)
    with long_flows(lab, load):
        tell(str(drained(lab, load, first)))
        tell(str(returned(lab, load, first)))
        tell(str(rehashed(lab, load)))
        for gateway in lab.topology.gateways:
            tell(f"  {gateway.name}: {ring_packets(lab, gateway.name)}")
        end = killed(lab, load, last)
        tell(str(end.change))
        if end.delays:
            middle, longest = end.delays[len(end.delays) // 2], end.delays[-1]
            tell(f"  RST after a packet of the pod: median {middle * 1000:.1f} ms, longest {longest * 1000:.1f} ms")
