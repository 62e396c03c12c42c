"""What long flows tell about changes of the set of gateways. Pure: the lines of guest/longflows.py in, figures out."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from lab.capture import Packet

RST = 0x04


@dataclass(frozen=True, slots=True)
class Account:
    """`ended`: connections by name, and when; `seen`: what servers saw of UDP flows, with times, in order; `moving`:
    how many downloads and uploads went on at the last look, at the time `looked`; `sent`, `answered`: datagrams so far.
    """

    ready: bool = False
    ended: dict[str, float] = field(default_factory=dict)
    seen: dict[str, list[tuple[float, str]]] = field(default_factory=dict)
    moving: dict[str, int] = field(default_factory=dict)
    sent: int = 0
    answered: int = 0
    looked: float = 0.0


def account(text: str) -> Account:
    """A line that is cut off is left out."""
    ready, ended, seen, moving = False, dict[str, float](), dict[str, list[tuple[float, str]]](), dict[str, int]()
    sent = answered = 0
    looked = 0.0
    for line in text.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        ready = ready or "ready" in event
        if "ended" in event:
            ended[event["ended"]] = event["at"]
        if "seen" in event:
            seen.setdefault(event["flow"], []).append((event["at"], event["seen"]))
        if "moving" in event:
            moving, sent, answered = event["moving"], event["sent"], event["answered"]
            looked = event["at"]
    return Account(ready, ended, seen, moving, sent, answered, looked)


@dataclass(frozen=True, slots=True)
class Change:
    """What a change of the set did to flows of TCP and UDP, of those that were there before it. `own`: those that went
    through the gateway that was changed. `moved`: other public address or port than before.
    """

    what: str
    tcp: int
    tcp_lost: int
    udp: int
    udp_moved: int
    own_tcp: int = 0
    own_udp: int = 0

    @property
    def udp_kept(self) -> float:
        return 1.0 - self.udp_moved / self.udp if self.udp else 1.0

    def __str__(self) -> str:
        own = f" (its own: {self.own_tcp} TCP, {self.own_udp} UDP)" if self.own_tcp or self.own_udp else ""
        kept = f"{self.udp_kept:.1%} of {self.udp} UDP flows kept address and port"
        return f"{self.what}: {self.tcp_lost} of {self.tcp} TCP flows lost, {kept}{own}"


def change(what: str, before: Account, after: Account, own_tcp: int = 0, own_udp: int = 0) -> Change:
    began = sum(before.moving.values())
    lost = len(after.ended.keys() - before.ended.keys())
    stalled = began - lost - sum(after.moving.values())
    moved = sum(after.seen[flow][-1][1] != places[-1][1] for flow, places in before.seen.items() if flow in after.seen)
    return Change(what, began, lost + max(0, stalled), len(before.seen), moved, own_tcp, own_udp)


@dataclass(frozen=True, slots=True)
class Reset:
    """A RST that ended a connection of the pod. `delay_s`: since the pod's packet that it answers; `after_s`: since the
    death of the gateway.
    """

    port: int
    delay_s: float
    after_s: float


def resets(packets: Iterable[Packet], pod: str, died: float, settled: float) -> dict[int, Reset]:
    """The first RST to each port of the pod. Times are of the guest's clock.

    Until `settled` packets still go to the dead gateway, and nobody answers them. From then on the first packet counts,
    answered or not: a RST that comes for a repetition only is a late one.
    """
    asked: dict[int, float] = {}
    found: dict[int, Reset] = {}
    for packet in sorted(packets, key=lambda one: one.time):
        if packet.source == pod:
            port = packet.source_port
            if asked.get(port, 0.0) < settled:
                asked[port] = packet.time
        elif packet.tcp_flags & RST and packet.time >= died and (port := packet.destination_port) in asked:
            found.setdefault(port, Reset(port, packet.time - asked[port], packet.time - died))
    return found


def left_out_at(journal: str, member: str) -> list[float]:
    """When an agent had this member, which was heard before, out of its ring."""
    found = []
    silent = True
    for line in journal.splitlines():
        stamp, _, rest = line.partition(" ")
        if " ring answering=" not in rest:
            continue
        before, silent = silent, member in rest
        if silent and not before:
            found.append(datetime.fromisoformat(stamp).timestamp())
    return found


def port_of(flow: str) -> int:
    """Of a connection, by its name."""
    return int(flow.rpartition("-")[2])


def quantile(values: Iterable[float], part: float) -> float:
    """Of at least one value: the smallest that `part` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]
