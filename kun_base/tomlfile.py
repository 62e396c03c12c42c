"""Reads a TOML file into a pydantic model and turns everything that is wrong into one `ConfigError`."""

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from kun_base.errors import ConfigError, Fault
from kun_base.partial import model_in, readable
from kun_base.tomltext import loads, read
from kun_base.wording import wanted

Model = TypeVar("Model", bound=BaseModel)


# What several keys say together: the faults of a model, or of what stands for it where single values are wrong.
CrossCheck = Callable[[Any], list[Fault]]


def load(path: Path, model: type[Model], cross: CrossCheck | None = None) -> Model:
    """The checked content of `path`. Raises ConfigError with all faults, each with its key path."""
    return check(read(path), model, str(path), cross)


def parse(text: str, model: type[Model], source: str, cross: CrossCheck | None = None) -> Model:
    return check(loads(text, source), model, source, cross)


def check(data: dict[str, Any], model: type[Model], source: str, cross: CrossCheck | None = None) -> Model:
    """The model of `data`. Where single values are wrong, `cross` sees what is readable, so that one run tells all."""
    checked, faults = None, []
    try:
        checked = model.model_validate(data)
    except ValidationError as error:
        faults = [_fault(problem, data, model) for problem in error.errors()]
    if cross is not None:
        faults += cross(readable(data, model) if checked is None else checked)
    if faults or checked is None:
        raise ConfigError(source, faults)
    return checked


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
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
