"""What every worker is told when the followed table has changed."""

from dataclasses import dataclass

from kun_dns64.model.members_update import MembersUpdate
from kun_dns64.model.rules import ClientPolicy, Pool


@dataclass(frozen=True, slots=True)
class FollowedRulesUpdate:
    """`pools` and `clients` of the table instead of those before; `generation` and `pools_down` of all rules."""

    pools: tuple[Pool, ...]
    clients: tuple[ClientPolicy, ...]
    generation: int
    pools_down: frozenset[str]


@dataclass(frozen=True, slots=True)
class TableUpdate:
    """`rules` None: nothing but members has changed, and no reply kept for others is forgotten."""

    members: MembersUpdate
    rules: FollowedRulesUpdate | None = None
