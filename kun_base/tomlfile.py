"""Reads a TOML file into a pydantic model and turns everything that is wrong into one `ConfigError`."""

import datetime
import difflib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from kun_base.errors import ConfigError, Fault
from kun_base.partial import model_in, readable
from kun_base.program_sections import program_of
from kun_base.tomltext import Document, loads, read_document
from kun_base.wording import wanted

Model = TypeVar("Model", bound=BaseModel)
DATES = (datetime.date, datetime.time)
# A table of a list of tables at the top of the file.
ENTRY = re.compile(r"(?<![\w.\]])([a-z_]+)\[(\d+)\]")


# What several keys say together: the faults of a model, or of what stands for it where single values are wrong.
CrossCheck = Callable[[Any], list[Fault]]


def load(path: Path, model: type[Model], cross: CrossCheck | None = None) -> Model:
    """The checked content of `path`. Raises ConfigError with all faults, each with its line and key path."""
    return check(read_document(path), model, cross)


def parse(text: str, model: type[Model], source: str, cross: CrossCheck | None = None) -> Model:
    return check(Document(source, text, loads(text, source)), model, cross)


def check(document: Document, model: type[Model], cross: CrossCheck | None = None) -> Model:
    """The model of a document. Where single values are wrong, `cross` sees the others, so that one run finds all."""
    checked, faults, data = None, [], document.data
    try:
        checked = model.model_validate(data)
    except ValidationError as error:
        if other := program_of(set(data), {field.alias or name for name, field in model.model_fields.items()}):
            wanted = f"this is a {other} file; check it with: {other} check-config"
            raise ConfigError(document.source, [Fault("file", "", wanted)]) from None
        faults = [_fault(problem, data, model) for problem in error.errors()]
    if cross is not None:
        faults += cross(readable(data, model) if checked is None else checked)
    if faults or checked is None:
        raise ConfigError(document.source, placed(faults, document))
    return checked


def placed(faults: list[Fault], document: Document) -> list[Fault]:
    """The faults with their lines, and with names of pools instead of their numbers."""
    # Only files with errors need it, and all others start sooner without.
    from kun_base.toml_positions import positions

    lines = positions(document.text)
    return [
        replace(
            fault,
            line=fault.line or lines.line_of(fault.where),
            shown=_with_names(fault.where, document.data),
            wanted=_with_names(fault.wanted, document.data),
        )
        for fault in faults
    ]


def _with_names(text: str, data: dict[str, Any]) -> str:
    """`pool "overseas"` instead of `pool[37]`."""

    def named(match: re.Match[str]) -> str:
        try:
            entry = data[match[1]][int(match[2])]
            name = entry.get("name") or entry.get("suffix")
        except (LookupError, TypeError, AttributeError):
            return match[0]
        return f"{match[1]} {json.dumps(name, ensure_ascii=False)}" if isinstance(name, str) and name else match[0]

    return ENTRY.sub(named, text)


def _fault(problem: Any, data: dict[str, Any], model: type[BaseModel]) -> Fault:
    path: tuple[str | int, ...] = problem["loc"]
    if problem["type"] == "extra_forbidden":
        return Fault(_dotted(path), _shown(problem["input"]), _nearest(path, model))
    shown = "" if problem["type"] == "missing" or not path else _shown(problem["input"])
    return Fault(_dotted(path) or "file", shown, wanted(problem))


def _nearest(path: tuple[str | int, ...], model: type[BaseModel]) -> str:
    names = _keys_at(path[:-1], model)
    close = difflib.get_close_matches(str(path[-1]), names, n=1, cutoff=0.5)
    hint = f", did you mean {close[0]!r}?" if close else f"; known here: {', '.join(names)}"
    return "unknown key" + hint


def _keys_at(path: tuple[str | int, ...], model: type[BaseModel]) -> list[str]:
    current: Any = model
    for part in path:
        if isinstance(part, int):
            continue
        field = current.model_fields.get(part) or next(f for f in current.model_fields.values() if f.alias == part)
        current = model_in(field.annotation)
    return [field.alias or name for name, field in current.model_fields.items()]


def _dotted(path: tuple[str | int, ...]) -> str:
    out = ""
    for part in path:
        out += f"[{part}]" if isinstance(part, int) else (f".{part}" if out else str(part))
    return out


def _shown(value: object) -> str:
    text = value.isoformat() if isinstance(value, DATES) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
