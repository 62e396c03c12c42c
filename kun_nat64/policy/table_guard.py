"""Bounds of what one change of the table may take from this gateway before somebody has to accept it."""

from dataclasses import dataclass
from typing import Any

from kun_base.table_intake import RemovalBounds
from kun_base.table_state import FollowedTable, TableChange


@dataclass(frozen=True, slots=True)
class GatewayBounds(RemovalBounds):
    """As RemovalBounds, and beside them: public addresses of this `gateway`, of more than `tenants` and a fifth."""

    gateway: str = ""
    tenants: int = 5

    def problem(self, change: TableChange, table: FollowedTable) -> str:
        return RemovalBounds.problem(self, change, table) or self._addresses(change, table)

    def _addresses(self, change: TableChange, table: FollowedTable) -> str:
        if self._loses(table.gateways.get(self.gateway), change.gateways.get(self.gateway, ...)):
            return f"it takes all shared addresses from {self.gateway}"
        having = [name for name, record in table.classes.items() if self._held(record)]
        losing = sum(self._loses(table.classes[name], change.classes.get(name, ...)) for name in having)
        if losing > self.tenants and losing * 100 > len(having) * self.percent:
            return f"it takes their public addresses from {losing} of {len(having)} tenants"
        return ""

    def _loses(self, before: Any, after: Any) -> bool:
        """`after`: None where it is gone, ... where it stays as it is."""
        return bool(self._held(before)) and after is not ... and not self._held(after)

    def _held(self, record: Any) -> list[Any]:
        return [one for one in record.addresses if one.gateway in ("", self.gateway)] if record is not None else []
