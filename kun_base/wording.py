"""What would be right instead of a value, in the operator's words: pydantic speaks to programmers."""

from typing import Any

_SIMPLE = {
    "missing": "is required",
    "list_type": "wants a list, in square brackets",
    "tuple_type": "wants a list, in square brackets",
    "dict_type": "wants a table: a section of its own, or { key = value }",
    "model_type": "wants a table: a section of its own, or { key = value }",
    "model_attributes_type": "wants a table: a section of its own, or { key = value }",
    "int_type": "wants an integer",
    "int_from_float": "wants an integer",
    "int_parsing": "wants an integer",
    "float_type": "wants a number",
    "float_parsing": "wants a number",
    "finite_number": "wants a finite number",
    "bool_type": "wants true or false",
    "bool_parsing": "wants true or false",
    "string_type": "wants text in quotes",
}
_LIMITS = {
    "greater_than_equal": ("ge", "wants {} or more"),
    "greater_than": ("gt", "wants more than {}"),
    "less_than_equal": ("le", "wants {} or less"),
    "less_than": ("lt", "wants less than {}"),
    "literal_error": ("expected", "wants {}"),
    "enum": ("expected", "wants {}"),
    "too_short": ("min_length", "wants at least {} in it"),
    "too_long": ("max_length", "wants at most {} in it"),
    "string_too_short": ("min_length", "wants text of {} characters or more"),
    "string_too_long": ("max_length", "wants text of {} characters or less"),
    "string_pattern_mismatch": ("pattern", "wants text like {}"),
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
