"""Changes of the set of gateways under long flows: one is drained, comes back, the router hashes anew, one dies.

`python -m lab unbroken` prints the table of docs/no-flow-breaks.md.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lab.api import Lab
from lab.longflows import Account, Change, Reset, account, change, left_out_at, port_of, quantile, resets

LOG = "longflows"
QUANTILES = {"median": 0.5, "of 99 %": 0.99, "longest": 1.0}
SOON_S = 0.02
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
    target = lab.topology.embed(lab.topology.web_server)
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
    return change(what, before, settled(lab, load.settle_s))


def settled(lab: Lab, seconds: float) -> Account:
    """The first look after so many seconds: a client that has ended has none, and proves nothing."""
    time.sleep(seconds)
    since = lab.clock()
    lab.wait_for(lambda: now(lab).looked > since, 60, "a look of the flows' client")
    return now(lab)


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
    """`own`: the pod's ports of the connections that went through the dead gateway. `ended`: of those that ended.
    `moved`: UDP flows that did not go through it, and have another public address or port all the same.
    `left_out_s`: when the other gateways left it out of the ring.
    """

    change: Change
    own: frozenset[int]
    ended: frozenset[int]
    resets: dict[int, Reset]
    moved: list[str]
    left_out_s: list[float]

    def __str__(self) -> str:
        lines = [str(self.change)]
        own, others = len(self.own & self.ended), len(self.ended - self.own)
        by_rst = len(self.own & self.resets.keys())
        lines.append(f"  of its own {len(self.own)} TCP flows {own} ended, {by_rst} by RST; of the others {others}")
        if delays := [one.delay_s for one in self.resets.values()]:
            figures = ", ".join(f"{word} {quantile(delays, part) * 1000:.1f} ms" for word, part in QUANTILES.items())
            soon = sum(delay <= SOON_S for delay in delays)
            lines.append(f"  from the pod's packet to its RST: {figures}; {soon} of {len(delays)} within 20 ms")
        lines.append(f"  UDP flows of the others that moved: {len(self.moved)}")
        lines.append(f"  left out of the ring after {', '.join(f'{one:.2f} s' for one in self.left_out_s)}")
        return "\n".join(lines)


def killed(lab: Lab, load: Load, gateway: str) -> Killed:
    """A power cut. Its own flows are those that Jool there has sessions for just before."""
    own = frozenset(own_ports(lab, gateway, "tcp"))
    public = lab.topology.gateway(gateway).public
    before = now(lab)
    others = {flow: places[-1][1] for flow, places in before.seen.items() if places[-1][1].split()[0] != public}
    with lab.capture("pod", "eth0", "tcp port 80") as capture:
        died = lab.kill(gateway)
        after = settled(lab, load.settle_s + load.interval_s)
    out = left_out(lab, gateway, died)
    gone = died + max(out, default=load.settle_s)
    found = resets(capture.packets, lab.topology.pod_address, died, gone)
    ended = frozenset(port_of(flow) for flow in after.ended.keys() - before.ended.keys())
    moved = [flow for flow, place in others.items() if after.seen[flow][-1][1] != place]
    whole = change(f"{gateway} killed", before, after, len(own), len(before.seen) - len(others))
    return Killed(whole, own, ended, found, moved, out)


def left_out(lab: Lab, gateway: str, died: float) -> list[float]:
    """Seconds until each of the other gateways had it out of its ring, by their journals."""
    inside = lab.topology.gateway(gateway).inside
    found = []
    for other in lab.topology.gateways:
        times = left_out_at(lab.log(other.name, "kun-nat64"), inside) if other.name != gateway else []
        found += [at - died for at in times if at >= died][:1]
    return sorted(found)


@dataclass(frozen=True, slots=True)
class Lived:
    """A download through `gateway`, which was drained and came back, and an echo by any gateway. `seen`: where the
    server saw the echo come from, in order: one address and port where nothing broke.
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
    lab.wait_for(lambda: ring_is_whole(lab), 90, "every gateway to hear the others in the ring")
    with long_flows(lab, load):
        carriers = [one.name for one in lab.topology.gateways if own_ports(lab, one.name, "tcp")]
        gateway = carriers[0] if carriers else lab.topology.gateways[0].name
        out = drained(lab, load, gateway)
        back = returned(lab, load, gateway)
        return Lived(gateway, out, back, [place for _, place in now(lab).seen["udp-0"]])


def own_ports(lab: Lab, gateway: str, protocol: str) -> list[int]:
    """Of the pod, in living sessions."""
    words = ("jool", "-i", "kun", "session", "display", f"--{protocol}", "--numeric", "--csv", "--no-headers")
    rows = [row.split(",") for row in lab.output(gateway, *words).splitlines()]
    mine = [row for row in rows if row[1] == lab.topology.pod_address]
    return [int(row[2]) for row in mine if protocol == "udp" or row[-1] == "ESTABLISHED"]


def ring_is_whole(lab: Lab) -> bool:
    others = len(lab.topology.gateways) - 1
    for gateway in lab.topology.gateways:
        told = lab.run(gateway.name, "curl", "-s", f"http://{gateway.inside}:9465/status", check=False).stdout
        ring = json.loads(told or "{}").get("ring")
        if ring is None or len(ring["answering"]) < others:
            return False
    return True


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
        tell(str(killed(lab, load, last)))
