"""What a good configuration file means, in a line."""

from pathlib import Path

from kun_base.config_check import FileSummary
from kun_dns64.config.background_load import Source
from kun_dns64.config.flags import Flags


def meaning_of(file: Path) -> FileSummary:
    """Raises ConfigError with every fault."""
    settings = Source(file, Flags()).settings()
    prefixes = ", ".join(str(prefix) for prefix in settings.rules.prefixes)
    servers = ", ".join(str(server) for server in settings.groups[""]) or "nobody yet"
    return FileSummary(f"answers with {prefixes}, asks {servers}", settings.notices)
