"""Reads a TOML file into a pydantic model and turns everything that is wrong into one `ConfigError`."""

import difflib
import tomllib
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from kun_base.errors import ConfigError, Fault

Model = TypeVar("Model", bound=BaseModel)


def load(path: Path, model: type[Model]) -> Model:
    """The checked content of `path`. Raises ConfigError with all faults, each with its key path."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(str(path), [Fault("file", "", f"cannot be read: {reason}")]) from error
    return parse(text, model, str(path))


def parse(text: str, model: type[Model], source: str) -> Model:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(source, [Fault("file", "", f"not TOML: {error}")]) from error
    return check(data, model, source)


def check(data: dict[str, Any], model: type[Model], source: str) -> Model:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise ConfigError(source, [_fault(problem, data, model) for problem in error.errors()]) from error


def _fault(problem: Any, data: dict[str, Any], model: type[BaseModel]) -> Fault:
    path: tuple[str | int, ...] = problem["loc"]
    if problem["type"] == "extra_forbidden":
        return Fault(_dotted(path), _shown(problem["input"]), _nearest(path, model))
    wanted = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "missing":
        return Fault(_dotted(path), "", "is required")
    return Fault(_dotted(path) or "file", _shown(problem["input"]) if path else "", wanted)


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
        current = _model_in(field.annotation)
    return [field.alias or name for name, field in current.model_fields.items()]


def _model_in(annotation: Any) -> Any:
    """The model inside `list[M]`, `tuple[M, ...]`, `M | None`."""
    if get_origin(annotation) in (list, tuple, Union, UnionType):
        return next(found for arg in get_args(annotation) if (found := _model_in(arg)) is not None)
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _dotted(path: tuple[str | int, ...]) -> str:
    out = ""
    for part in path:
        out += f"[{part}]" if isinstance(part, int) else (f".{part}" if out else str(part))
    return out


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
