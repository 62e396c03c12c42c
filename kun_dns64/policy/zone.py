"""Zones: names for which DNS64 is off, forced, or asked of other upstreams. The longest suffix wins."""

from collections.abc import Iterable

from kun_dns64.model.rules import Zone, ZoneMode


class ZoneTable:
    __slots__ = ("_zones",)

    def __init__(self, zones: Iterable[Zone]) -> None:
        self._zones = {zone.suffix.lower(): zone for zone in zones}

    def find(self, name: bytes) -> Zone | None:
        """The zone with the longest suffix of `name` (lower-case wire format)."""
        zones = self._zones
        if not zones:
            return None
        place = 0
        while length := name[place]:
            zone = zones.get(name[place:])
            if zone is not None:
                return zone
            place += 1 + length
        return zones.get(b"\x00")

    def mode(self, name: bytes) -> ZoneMode:
        zone = self.find(name)
        return ZoneMode.NORMAL if zone is None else zone.mode
