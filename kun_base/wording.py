"""What would be right instead of a value, in the operator's words: pydantic speaks to programmers."""

from typing import Any

_SIMPLE = {
    "missing": "is required",
    "list_type": "must be a list, in square brackets",
    "tuple_type": "must be a list, in square brackets",
    "dict_type": "must be a table: a section, or { key = value }",
    "model_type": "must be a table: a section, or { key = value }",
    "model_attributes_type": "must be a table: a section, or { key = value }",
    "int_type": "must be an integer",
    "int_from_float": "must be an integer",
    "int_parsing": "must be an integer",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be text in quotes",
}
_LIMITS = {
    "greater_than_equal": ("ge", "must be {} or more"),
    "greater_than": ("gt", "must be more than {}"),
    "less_than_equal": ("le", "must be {} or less"),
    "less_than": ("lt", "must be less than {}"),
    "literal_error": ("expected", "must be {}"),
    "enum": ("expected", "must be {}"),
    "too_short": ("min_length", "must have at least {} elements"),
    "too_long": ("max_length", "must have at most {} elements"),
    "string_too_short": ("min_length", "must be text of {} characters or more"),
    "string_too_long": ("max_length", "must be text of {} characters or less"),
    "string_pattern_mismatch": ("pattern", "must match {}"),
}


def wanted(problem: Any) -> str:
    """`problem`: one of a ValidationError's `errors()`. The value itself is not said again: it stands beside this."""
    kind, value = problem["type"], problem["input"]
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    if kind == "string_too_short" and value == "":
        return "is empty"
    if kind in _LIMITS:
        key, text = _LIMITS[kind]
        return text.format(problem["ctx"][key])
    message: str = problem["msg"].removeprefix("Value error, ")
    for shown in (repr(value), str(value)):
        message = message.removeprefix(f"{shown}: ")
    return message
