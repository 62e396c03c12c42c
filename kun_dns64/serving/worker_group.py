"""The interface of the control side to the workers: this process, or several."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from kun_dns64.config.settings import Settings
from kun_dns64.model.message import Query
from kun_dns64.model.rules import ClientNetworks
from kun_dns64.model.step import Drop, Heard, Note, Reply
from kun_dns64.model.table_update import TableUpdate
from kun_dns64.state.metrics import Metrics
from kun_dns64.transport.sockets import Listening


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """The state of serving. `forward`: at least one upstream of the default group answers."""

    forward: bool
    workers: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class UpstreamPulse:
    """One upstream's state in one worker. `why`: error of the last failed health check; `srtt_s`: smoothed RTT."""

    upstream: str
    up: bool
    why: str
    srtt_s: float


@dataclass(frozen=True, slots=True)
class WorkerPulse:
    """What the log's events come from, without asking anybody anything.

    `limited`: how often clients met a limit since the start, by limit. `full`: how much of what the cache may hold it
    does hold, 0 to 1. `queries`: taken since the start.
    """

    upstreams: tuple[UpstreamPulse, ...]
    limited: dict[str, int]
    full: float
    queries: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """The result of a query, the upstream answers, and each decision as text."""

    query: Query
    heard: tuple[Heard, ...]
    step: Reply | Drop
    notes: tuple[Note, ...] = ()


class WorkerGroup(Protocol):
    # Keys of the file that a reload cannot put in force here.
    fixed_keys: frozenset[str]

    @property
    def listening(self) -> Sequence[Listening]:
        """The sockets in use: bound here, or passed by systemd."""
        ...

    async def numbers(self) -> Metrics: ...

    async def standing(self) -> WorkerStatus: ...

    async def explain(self, query: Query) -> Explanation:
        """Explain a query. Raises OSError or TimeoutError if no worker answers."""
        ...

    async def ask_workers(self, command: str, *arguments: Any) -> list[Any]:
        """Have every worker carry out a command of serving/worker_control.py; return their answers."""
        ...

    async def use_gateways(self, pools_down: frozenset[str], generation: int) -> None:
        """Keep the rules, and mark these pools as without a working gateway ("" is the default pool)."""
        ...

    async def use_clients(self, networks: ClientNetworks) -> None:
        """Keep the rules, with these networks in their client classes."""
        ...

    async def use_table(self, update: TableUpdate) -> None:
        """Keep the settings, with this change of the followed table."""
        ...

    async def change(self, settings: Settings) -> None:
        """Use these settings from now on. Raises OSError if new sockets or TLS files cannot be used."""
        ...
