"""Whether docs/reference.md has the fields of what a program really answers."""

from collections.abc import Iterator
from typing import Any

from reference.json_source import fields_of


def undocumented(answer: Any, module: str, name: str) -> list[str]:
    """The fields of `answer`, JSON, that the reference does not have for this function or class."""
    return list(_missing(answer, {field.path for field in fields_of(module, name)}, ""))


def _missing(value: Any, known: set[str], at: str) -> Iterator[str]:
    if at.removesuffix(".") in known:
        return
    if isinstance(value, list):
        for one in value:
            yield from _missing(one, known, f"{at.removesuffix('.')}[].")
    for key, one in value.items() if isinstance(value, dict) else ():
        place = next((place for place in (f"{at}{key}", f"{at}NAME") if _has(known, place)), None)
        if place is None:
            yield f"{at}{key}"
        else:
            yield from _missing(one, known, f"{place}.")


def _has(known: set[str], place: str) -> bool:
    return any(path == place or path.startswith((f"{place}.", f"{place}[]")) for path in known)
