"""Where the session database is, from a file that is read for nothing else.

Checking the whole file costs more time than `who` takes to answer, and an answer about the past must not depend on
whether the file is right in all that it says today.
"""

from pathlib import Path
from typing import Any

from kun_base.tomltext import read

LOG = "/var/log/kun-nat64/sessions.jsonl"


def beside(log: str) -> str:
    """Where the operator has given the log a place: sessions.jsonl has sessions.db. "": no log, no database."""
    return f"{log.removesuffix('.jsonl')}.db" if log else ""


def session_database(file: Path) -> Path | None:
    """None where the file wants neither. Raises ConfigError for a file that cannot be read, or is no TOML."""
    data = read(file)
    log, database = _text(data, "nat64", "session_log", LOG), _text(data, "audit", "database", "")
    # Of a log that was switched off the old sessions may still be asked for.
    place = database or beside(log)
    return Path(place) if place else None


def _text(data: dict[str, Any], section: str, key: str, default: str) -> str:
    held = data.get(section)
    value = held.get(key) if isinstance(held, dict) else None
    return value if isinstance(value, str) else default
