"""As much of a file as can be read: for the checks over several keys, when single keys are wrong."""

from collections.abc import Iterable, Iterator
from types import SimpleNamespace, UnionType
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from kun_base.errors import Fault

if TYPE_CHECKING:
    from pydantic import TypeAdapter

Value = TypeVar("Value")
_UNREADABLE = object()


def readable(data: object, model: type[BaseModel]) -> Any:
    """What stands for a `model`, with the right values of `data` and of all tables in it; None where it is no table.

    Reading a key that was wrong or missing raises AttributeError. A wrong element of a list is None in its place, and
    one of a free table is not there.
    """
    if not isinstance(data, dict):
        return None
    # What the file says, right or wrong, beside what follows from defaults: as of a whole model.
    written = {name for name, field in model.model_fields.items() if (field.alias or name) in data}
    part = SimpleNamespace(model_fields_set=written)
    for name, field in model.model_fields.items():
        key = field.alias or name
        if key in data:
            value = _read(data[key], field, strict=model.model_config.get("strict", False))
        else:
            value = _UNREADABLE if field.is_required() else field.get_default(call_default_factory=True)
        if value is not _UNREADABLE:
            setattr(part, name, value)
    return part


def as_far_as_readable(faults: Iterator[Fault]) -> Iterator[Fault]:
    """A key that is wrong or missing has its own fault already; what depends on it cannot be checked."""
    try:
        yield from faults
    except AttributeError:
        return


def entries(values: Iterable[Value | None]) -> Iterator[tuple[int, Value]]:
    """Elements with their places, without those that could not be read."""
    return ((place, value) for place, value in enumerate(values) if value is not None)


def attributes(values: Iterable[Any], name: str) -> Iterator[tuple[int, Any]]:
    """One key of each element, with the element's place, where it could be read."""
    return ((place, getattr(value, name)) for place, value in entries(values) if hasattr(value, name))


def model_in(annotation: Any) -> Any:
    """The model inside `list[M]`, `tuple[M, ...]`, `M | None`; None where there is none."""
    if get_origin(annotation) in (list, tuple, Union, UnionType):
        return next((found for arg in get_args(annotation) if (found := model_in(arg)) is not None), None)
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _read(value: Any, field: FieldInfo, *, strict: bool) -> Any:
    section = model_in(field.annotation)
    if section is None:
        return _read_value(value, field, strict)
    if get_origin(field.annotation) in (list, tuple):
        return [readable(one, section) for one in value] if isinstance(value, list) else _UNREADABLE
    return readable(value, section) or _UNREADABLE


def _read_value(value: Any, field: FieldInfo, strict: bool) -> Any:
    # Only files with errors need it, and all others start sooner without.
    from pydantic import TypeAdapter

    kind: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    adapter = TypeAdapter[Any](kind, config=ConfigDict(strict=True) if strict else None)
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        if isinstance(value, list) and all(problem["loc"] for problem in error.errors()):
            return _with_holes(value, adapter, error)
        if isinstance(value, dict):
            wrong = {problem["loc"][0] for problem in error.errors() if problem["loc"]}
            return {key: one for key, one in value.items() if key not in wrong}
        return _UNREADABLE


def _with_holes(items: list[Any], adapter: "TypeAdapter[Any]", error: ValidationError) -> list[Any]:
    holes = {problem["loc"][0] for problem in error.errors()}
    try:
        right = iter(adapter.validate_python([item for place, item in enumerate(items) if place not in holes]))
    except ValidationError:
        # Only wrong elements, and an empty list is not allowed.
        return [None] * len(items)
    return [None if place in holes else next(right) for place in range(len(items))]
