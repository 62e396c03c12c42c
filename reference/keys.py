"""Tables of the configuration keys, for docs/reference.md."""

from collections.abc import Iterator
from typing import Any, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from kun_base.key_descriptions import Descriptions, descriptions_of
from kun_base.partial import model_in
from reference.example_file import default_of, toml_value
from reference.markdown import row, table_head

Schema = dict[str, Any]
LIMITS = (("minimum", "{} or more"), ("exclusiveMinimum", "more than {}"), ("maximum", "at most {}"))
NAMES = {"integer": "integer", "number": "number", "boolean": "true or false", "string": "text", "object": "table"}


def key_tables(model: type[BaseModel], schema: Schema) -> Iterator[str]:
    """A heading and a table for each section of the file. `schema` is the JSON schema of `model`."""
    texts = descriptions_of(model)
    for name, field in model.model_fields.items():
        yield from _section(name, field, texts, schema["$defs"])


def _section(name: str, field: FieldInfo, texts: Descriptions, schemas: Schema) -> Iterator[str]:
    section = model_in(field.annotation)
    many = get_origin(field.annotation) in (list, tuple)
    yield from ("", f"### `{f'[[{name}]]' if many else f'[{name}]'}`", "")
    yield from (" ".join((section.__doc__ or "").split()), "")
    yield from table_head("key", "value", "default", "meaning")
    tables = []
    for key, one in section.model_fields.items():
        if (inner := model_in(one.annotation)) is not None and get_origin(one.annotation) not in (list, tuple):
            tables.append((key, one))
            continue
        yield _row(one.alias or key, one, texts[section.__name__][key], schemas[section.__name__])
        for entry, its in inner.model_fields.items() if inner else ():
            shown = f"{one.alias or key}[].{its.alias or entry}"
            yield _row(shown, its, texts[inner.__name__][entry], schemas[inner.__name__])
    for key, one in tables:
        yield from _section(f"{name}.{key}", one, texts, schemas)


def _row(shown: str, field: FieldInfo, text: str, section: Schema) -> str:
    name = shown.rpartition(".")[2]
    default = default_of(field)
    said = "required" if field.is_required() else "" if default is None else f"`{toml_value(default)}`"
    return row(f"`{shown}`", in_words(section["properties"][name]), said, " ".join(text.split()))


def in_words(value: Schema) -> str:
    """What a key may hold."""
    if "$ref" in value:
        return "table"
    if "anyOf" in value:
        kinds = [in_words(one) for one in value["anyOf"] if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if "enum" in value or "const" in value:
        return " or ".join(f"`{toml_value(one)}`" for one in value.get("enum", [value.get("const")]))
    if value.get("type") == "array":
        return f"list of {in_words(value.get('items', {}))}"
    limits = ", ".join(text.format(f"{value[name]:g}") for name, text in LIMITS if name in value)
    if {"minimum", "maximum"} <= value.keys():
        limits = f"{value['minimum']} to {value['maximum']}"
    kind = NAMES.get(value.get("type", ""), "text, number or boolean")
    return f"{kind}, {limits}" if limits else kind
