"""What this gateway announces: whether the VIP is reachable through it, and with which MED."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Announcement:
    """`wanted` False withdraws the path. `communities` are added to the configured ones ("65535:0" in a drain)."""

    wanted: bool
    med: int
    communities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LastAnnounced:
    """What a speaker announces for us, so that somebody else can take it back: prefixes of either family.

    `speaker`, `api`, `paths_file`: as in [bgp].
    """

    speaker: str
    api: str
    prefixes: tuple[str, ...]
    paths_file: str = ""


WITHDRAWN = Announcement(wanted=False, med=0)
GRACEFUL_SHUTDOWN = "65535:0"  # RFC 8326
