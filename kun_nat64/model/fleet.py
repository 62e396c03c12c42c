"""The other gateways, as each reports itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from kun_nat64.model.health import ProbeOutcome, Verdict
from kun_nat64.model.standing import Standing


@dataclass(frozen=True, slots=True)
class MemberRing:
    """What a member says of its ring: its own address there, the members it names, and those that it hears."""

    own: IPv4Address
    members: frozenset[IPv4Address] = frozenset()
    sending: frozenset[IPv4Address] = frozenset()


@dataclass(frozen=True, slots=True)
class Member:
    """One other gateway, as it was at `seen_at` (this host's clock). Unreachable members are not in a `Fleet`.

    `full_for_s`: how long it has been in the ECMP set, None when it is not. `wants_back`: healthy, and waiting
    for its turn. `identity`: of the agent that answered, "" of one that does not tell. `file_change`: "waits" or "runs"
    while it has a new file that takes it out of service (policy/filechange.py). `router_id`, `pool4`: "" and none
    of one that does not tell. `ring`: None of one that has none. `drain_asked`: it is deciding about a drain just now.
    """

    url: str
    name: str
    seen_at: float
    standing: Standing
    verdict: Verdict
    targets: Mapping[str, ProbeOutcome] = field(default_factory=dict)
    full_for_s: float | None = None
    wants_back: bool = False
    sessions: int | None = None
    vip: str = ""
    prefix: str = ""
    identity: str = ""
    file_change: str = ""
    router_id: str = ""
    pool4: tuple[IPv4Network, ...] = ()
    ring: MemberRing | None = None
    drain_asked: bool = False


@dataclass(frozen=True, slots=True)
class Fleet:
    """`configured`: how many others the operator named; `members`: those that answered lately; `silent`: the others by
    URL, with what went wrong.
    """

    configured: int = 0
    members: tuple[Member, ...] = ()
    silent: Mapping[str, str] = field(default_factory=dict)


ALONE = Fleet()
