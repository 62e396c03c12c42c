"""The parts of a machine that are looked at, and changed, by one tool each."""

from enum import StrEnum

Key = tuple[str, ...]


class Area(StrEnum):
    """An area that could not be looked at is unknown, which is not the same as empty: nothing in it is planned."""

    MODULES = "modules"
    SYSCTLS = "sysctls"
    LINKS = "links"
    RULES = "rules"
    RESETS = "resets"
    PROBES = "probes"
    TABLES = "tables"
    TENANTS = "tenants"
    JOOL = "jool"
    BGP = "bgp"
