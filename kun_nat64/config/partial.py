"""As much of a section as can be read: for the checks over several keys, when single keys are wrong."""

from typing import Annotated, Any

from pydantic import AfterValidator, TypeAdapter, ValidationError

from kun_nat64.config.file import Section


def readable_part(data: object, model: type[Section]) -> Any:
    """An unchecked `model` with the right values only; a wrong element of a list is None in its place,
    and one of a table is not there.

    Reading a key that was wrong or missing raises AttributeError.
    """
    if not isinstance(data, dict):
        return None
    values: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        key = field.alias or name
        if key not in data:
            if not field.is_required():
                values[name] = field.get_default(call_default_factory=True)
            continue
        kind: Any = Annotated[field.annotation, AfterValidator(lambda value: value), *field.metadata]
        adapter = TypeAdapter[Any](kind)
        try:
            values[name] = adapter.validate_python(data[key])
        except ValidationError as error:
            if isinstance(data[key], list) and all(problem["loc"] for problem in error.errors()):
                values[name] = _with_holes(data[key], adapter, error)
            if isinstance(data[key], dict):
                wrong = {problem["loc"][0] for problem in error.errors() if problem["loc"]}
                values[name] = {inner: value for inner, value in data[key].items() if inner not in wrong}
    part = model.model_construct()
    for name in model.model_fields:
        part.__dict__.pop(name, None)
    part.__dict__.update(values)
    # What the file says, right or wrong, beside what follows from defaults.
    given = {name for name, field in model.model_fields.items() if (field.alias or name) in data}
    object.__setattr__(part, "__pydantic_fields_set__", given)
    return part


def _with_holes(items: list[Any], adapter: TypeAdapter[Any], error: ValidationError) -> tuple[Any, ...]:
    holes = {problem["loc"][0] for problem in error.errors()}
    try:
        right = iter(adapter.validate_python([item for place, item in enumerate(items) if place not in holes]))
    except ValidationError:
        # Only wrong elements, and an empty list is not allowed.
        return (None,) * len(items)
    return tuple(None if place in holes else next(right) for place in range(len(items)))
