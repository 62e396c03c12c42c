"""Reads a TOML file into a pydantic model and turns everything that is wrong into one `ConfigError`."""

import copy
import difflib
from collections.abc import Callable
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from kun_base.errors import ConfigError, Fault
from kun_base.tomltext import loads, read
from kun_base.wording import wanted

Model = TypeVar("Model", bound=BaseModel)


# What several keys say together: the faults of a model whose values are right one by one.
CrossCheck = Callable[[Any], list[Fault]]


def load(path: Path, model: type[Model], cross: CrossCheck | None = None) -> Model:
    """The checked content of `path`. Raises ConfigError with all faults, each with its key path."""
    return check(read(path), model, str(path), cross)


def parse(text: str, model: type[Model], source: str, cross: CrossCheck | None = None) -> Model:
    return check(loads(text, source), model, source, cross)


def check(data: dict[str, Any], model: type[Model], source: str, cross: CrossCheck | None = None) -> Model:
    """The model of `data`. Where single values are wrong, `cross` still sees the right ones: one run tells all."""
    try:
        checked: Model | None = model.model_validate(data)
        faults: list[Fault] = []
        touched: set[str] = set()
    except ValidationError as error:
        faults = [_fault(problem, data, model) for problem in error.errors()]
        touched = {_dotted(_list_of(problem["loc"])) for problem in error.errors()}
        checked = _what_is_right(data, model, error)
    if cross is not None and checked is not None:
        faults += [fault for fault in cross(checked) if not any(fault.where.startswith(t + "[") for t in touched if t)]
    if faults or checked is None:
        raise ConfigError(source, faults)
    return checked


def _list_of(path: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """The list whose places move when the value at `path` is taken out of it, or ()."""
    return path[:-1] if path and isinstance(path[-1], int) else ()


def _what_is_right(data: dict[str, Any], model: type[Model], error: ValidationError) -> Model | None:
    """The model with each wrong value left out, or None when nothing sensible remains."""
    rest = copy.deepcopy(data)
    for _ in range(3):
        problems = error.errors()
        for problem in sorted(problems, key=lambda p: [str(part).rjust(9) for part in p["loc"]], reverse=True):
            _remove(rest, problem["loc"][: -1 if problem["type"] == "missing" else None])
        try:
            return model.model_validate(rest)
        except ValidationError as next_error:
            error = next_error
    return None


def _remove(container: Any, path: tuple[str | int, ...]) -> None:
    for depth, part in enumerate(path):
        try:
            inner = container[part]
        except (KeyError, IndexError, TypeError):
            return
        if depth == len(path) - 1 or not isinstance(inner, (dict, list)):
            del container[part]
            return
        container = inner


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
