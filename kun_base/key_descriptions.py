"""Descriptions of configuration keys: the text below each key in config/file.py, read when somebody asks for it.

Pydantic can do the same (`use_attribute_docstrings`), but at every import, which a server that starts need not pay for.
"""

import ast
import inspect
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from kun_base.partial import model_in

Descriptions = dict[str, dict[str, str]]


def descriptions_of(model: type[BaseModel]) -> Descriptions:
    """Key descriptions by class name and field name, for every class in the modules of `model` and its sections."""
    found: Descriptions = {}
    for module in {one.__module__: inspect.getmodule(one) for one in _models(model)}.values():
        assert module is not None
        classes = (node for node in ast.parse(inspect.getsource(module)).body if isinstance(node, ast.ClassDef))
        found |= {one.name: dict(_described(one)) for one in classes}
    return found


def _models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        if (inner := model_in(field.annotation)) is not None:
            yield from _models(inner)


def _described(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for key, text in zip(node.body, node.body[1:], strict=False):
        if not (isinstance(key, ast.AnnAssign) and isinstance(key.target, ast.Name)):
            continue
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) and isinstance(text.value.value, str):
            yield key.target.id, inspect.cleandoc(text.value.value)


def undescribed(model: type[BaseModel]) -> list[str]:
    """Key paths without a description. Keys that hold a section are described by the section's docstring."""
    return list(_undescribed(model, descriptions_of(model), ""))


def _undescribed(model: type[BaseModel], texts: Descriptions, path: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        key, inner = f"{path}{field.alias or name}", model_in(field.annotation)
        if not texts[model.__name__].get(name) and not (inner and inner.__doc__):
            yield key
        if inner:
            yield from _undescribed(inner, texts, f"{key}.")


def with_descriptions(schema: dict[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """`schema`, a JSON schema of `model`, with the description of every key put in."""
    texts = descriptions_of(model)
    aliases = _aliases(model, {})
    for name, part in {**schema.get("$defs", {}), model.__name__: schema}.items():
        for key, value in part.get("properties", {}).items():
            if text := texts.get(name, {}).get(aliases.get((name, key), key)):
                value["description"] = " ".join(text.split())
    return schema


def _aliases(model: type[BaseModel], found: dict[tuple[str, str], str]) -> dict[tuple[str, str], str]:
    for name, field in model.model_fields.items():
        if field.alias:
            found[model.__name__, field.alias] = name
        if inner := model_in(field.annotation):
            _aliases(inner, found)
    return found
