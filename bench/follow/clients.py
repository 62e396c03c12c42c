"""200,000 single addresses in the resolver's table: bytes for each, and nanoseconds for a look-up; no program runs."""

import random
import time
from array import array

from kun_dns64.fastpath.client_lookup import ClientLookup
from kun_dns64.model.members_update import MembersUpdate
from kun_dns64.policy.client_table import index_networks
from kun_dns64.policy.followed_clients import FollowedClients

COUNT, LOOKS, CLASSES = 200_000, 500_000, 50
NODES = 300


def filled(count: int = COUNT) -> tuple[FollowedClients, list[bytes]]:
    """Pods of 300 nodes, and the networks of those."""
    followed = FollowedClients()
    nodes = [(0x2002_0A01_0000 + node << 80).to_bytes(16) for node in range(NODES)]
    pods = [nodes[number % NODES][:8] + number.to_bytes(8) for number in range(count)]
    members = [(start, 64, 0) for start in nodes]
    members += [(address, 128, number % CLASSES) for number, address in enumerate(pods)]
    followed.apply(MembersUpdate(tuple(members), array("H", range(CLASSES)).tobytes()))
    return followed, pods


def lookups(followed: FollowedClients, pods: list[bytes]) -> float:
    """Nanoseconds of CPU for one look-up of a pod's class, with the call from Python around it."""
    everybody, nobody = index_networks([]), index_networks([])
    lookup = ClientLookup(everybody, nobody, nobody, followed, 3)
    asked = random.Random(1).choices(pods, k=LOOKS)
    look = lookup.of
    began = time.process_time()
    for address in asked:
        look(address)
    return (time.process_time() - began) / LOOKS * 1e9


def changes(followed: FollowedClients, pods: list[bytes]) -> float:
    """Milliseconds for 500 members in one message."""
    chosen = random.Random(2).sample(pods, 500)
    began = time.process_time()
    followed.apply(MembersUpdate(tuple((address, 128, 7) for address in chosen)))
    return (time.process_time() - began) * 1e3


def report() -> list[str]:
    """The lines of the report."""
    followed, pods = filled()
    return [
        f"{COUNT} addresses in {len(followed)} clients: {followed.size / len(followed):.1f} bytes for each",
        f"look-up of a class: {lookups(followed, pods):.0f} ns",
        f"500 members in one message: {changes(followed, pods):.2f} ms",
    ]
