"""What changes in place among the clients of the followed table."""

from dataclasses import dataclass

# First address of a network, its length, and the number of its class; -1: it is no client any more.
Member = tuple[bytes, int, int]


@dataclass(frozen=True, slots=True)
class MembersUpdate:
    """What has changed. `policies`: the place of each class's policy, two bytes each, or None: as before."""

    members: tuple[Member, ...] = ()
    policies: bytes | None = None
