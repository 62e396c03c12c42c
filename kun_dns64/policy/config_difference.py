"""Say which keys of a configuration file differ, in the file's own words: `server.budget_s: 1.8 -> 2.0`."""

from collections.abc import Mapping
from typing import Any

MAX_SHOWN = 60
MISSING = "(default)"
# What names an entry of a table that may stand several times.
NAMES = ("name", "suffix", "ipv4")


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """Return one line for each key that differs, sorted by key. Values longer than MAX_SHOWN characters are cut."""
    was, now = dict(_flat(before)), dict(_flat(after))
    return tuple(
        f"{key}: {_shown(was.get(key, MISSING))} -> {_shown(now.get(key, MISSING))}"
        for key in sorted(was.keys() | now.keys())
        if was.get(key, MISSING) != now.get(key, MISSING)
    )


def changed_keys(before: Mapping[str, Any], after: Mapping[str, Any]) -> frozenset[str]:
    """Return the dotted names of the keys that differ."""
    was, now = dict(_flat(before)), dict(_flat(after))
    return frozenset(key for key in was.keys() | now.keys() if was.get(key, MISSING) != now.get(key, MISSING))


def _flat(table: Mapping[str, Any], path: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in table.items():
        place = f"{path}.{key}" if path else str(key)
        if isinstance(value, Mapping):
            found += _flat(value, place)
        elif isinstance(value, list) and value and all(isinstance(entry, Mapping) for entry in value):
            for number, entry in enumerate(value):
                name = next((entry[one] for one in NAMES if one in entry), number)
                found += _flat(entry, f"{place}[{name}]")
        else:
            found.append((place, value))
    return found


def _shown(value: Any) -> str:
    text = value if value == MISSING else repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."
