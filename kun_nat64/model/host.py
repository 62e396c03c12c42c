"""The port between the cycle and the machine. The real one is drivers/real_host.py, the fake one is in the tests."""

from collections.abc import Sequence
from ipaddress import IPv6Address
from typing import Protocol

from kun_nat64.model.foreign_objects import Surroundings
from kun_nat64.model.observation import Observation, Scope
from kun_nat64.model.plan import Change
from kun_nat64.model.sessionlist import SessionList
from kun_nat64.model.spec import AgentSpec
from kun_nat64.model.traffic import Session, Traffic


class Host(Protocol):
    async def observe(self, scope: Scope, *, fresh: bool = True) -> Observation:
        """Looks, and never raises DriverError: an area that does not answer stands in `failures`.

        `fresh` False lets it reuse what the kernel's change notices say has not moved since the last look.
        """

    async def apply(self, changes: Sequence[Change]) -> None:
        """Makes one batch (policy/order.py `batches`). Raises DriverError; then the batch may be half done."""

    async def traffic(self, instance: str) -> Traffic:
        """Live sessions and bindings. Raises DriverError."""

    async def flows(self, instance: str, probe: IPv6Address) -> SessionList:
        """Live sessions, packed, but for those of the inside address `probe`. Raises DriverError."""

    async def sessions_at(self, instance: str, port: int) -> tuple[tuple[Session, ...], bool]:
        """Live sessions that have `port` at some end, and whether these are all. Raises DriverError."""

    async def stats(self, instance: str) -> dict[str, int]:
        """Jool's counters, by name without `JSTAT_`; one that is not there is 0, or unknown. Raises DriverError."""

    async def surroundings(self, spec: AgentSpec) -> Surroundings:
        """What others have put in the way. Never raises."""

    def withdraw_blocking(self) -> None:
        """Takes our paths out of BGP, from any thread, without the event loop. Raises DriverError."""
