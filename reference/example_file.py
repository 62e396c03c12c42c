"""The configuration file that operators start from: every key of a model with its description and default, as TOML."""

import json
import textwrap
from collections.abc import Iterator
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from kun_base.config_marks import CommentedOut
from kun_base.key_descriptions import Descriptions, descriptions_of
from kun_base.partial import model_in

WIDTH = 100


def render(model: type[BaseModel], program: str) -> str:
    """The whole file. Raises KeyError for a required key without an example."""
    texts = descriptions_of(model)
    head = f"{model.__doc__}\n\nCheck a change with: {program} check-config FILE"
    lines = [*_comment(head), *_comment("Written by `make reference`."), ""]
    for name, field in model.model_fields.items():
        lines += [*_section(name, field, texts, ""), ""]
    return "\n".join(lines).rstrip() + "\n"


def default_of(field: FieldInfo) -> Any:
    """The default as JSON data. None: no default, or a default that no value in the file gives."""
    if field.is_required():
        return None
    default = field.get_default(call_default_factory=True)
    return default if isinstance(default, int) else adapter(field).dump_python(default, mode="json")


def toml_value(value: Any) -> str:
    """JSON data as a TOML value in one line."""
    if isinstance(value, dict):
        inner = ", ".join(f"{_key(key)} = {toml_value(one)}" for key, one in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml_value, value))}]"
    # Python 3.13 writes the first part of this network in another way (RFC 5952 section 5).
    return json.dumps(value, ensure_ascii=False).replace("::ffff:0.0.0.0/", "::ffff:0:0/")


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() else json.dumps(name)


def _section(name: str, field: FieldInfo, texts: Descriptions, off: str) -> Iterator[str]:
    section = model_in(field.annotation)
    many = get_origin(field.annotation) in (list, tuple)
    off = off or ("#" if many or (default_of(field) is None and not field.is_required()) else "")
    yield from _comment(section.__doc__ or "")
    yield f"{off}[[{name}]]" if many else f"{off}[{name}]"
    inner = []
    for key, one in section.model_fields.items():
        if _is_table(one):
            inner.append((key, one))
            continue
        yield ""
        yield from _entry(key, one, texts[section.__name__], texts, off)
    for key, one in inner:
        yield ""
        yield from _section(f"{name}.{key}", one, texts, off)


def _is_table(field: FieldInfo) -> bool:
    """Lists of tables inside a section are written in one line each."""
    return model_in(field.annotation) is not None and get_origin(field.annotation) not in (list, tuple)


def _entry(name: str, field: FieldInfo, described: dict[str, str], texts: Descriptions, off: str) -> Iterator[str]:
    key, default = field.alias or name, default_of(field)
    note = "Required." if field.is_required() else ""
    shown = field.examples[0] if field.examples else default
    if field.examples and default is not None and default != shown:
        note = f"Default: {toml_value(default)}."
    yield from _comment(" ".join(part for part in (described[name], choices(field), note) if part))
    if inner := model_in(field.annotation):
        yield from _comment("Keys of an entry:")
        for one, its in inner.model_fields.items():
            yield from _comment(f"{its.alias or one}: {texts[inner.__name__][one]}", "  ")
    behind = off or ("#" if any(isinstance(mark, CommentedOut) for mark in field.metadata) else "")
    if shown is None:
        raise KeyError(f"{name} has neither a default nor an example")
    yield f"{behind}{key} = {toml_value(shown)}"


def choices(field: FieldInfo) -> str:
    """The values of a key that knows only some; "" for all others."""
    values = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    return f"One of: {', '.join(map(toml_value, values))}." if values else ""


def _comment(text: str, indent: str = "") -> Iterator[str]:
    for paragraph in text.strip().split("\n\n"):
        words = " ".join(paragraph.split())
        for line in textwrap.wrap(words, WIDTH - 2, subsequent_indent=indent and "  ", break_on_hyphens=False):
            yield f"# {indent}{line}"


def adapter(field: FieldInfo) -> TypeAdapter[Any]:
    kind: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    return TypeAdapter(kind)
