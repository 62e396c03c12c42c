"""Values as JSON that every reader takes (RFC 8259): one line of ASCII, no lone surrogates, no NaN, text for names."""

import json
import math

DEEPEST = 8


def one_line(value: object) -> str:
    """Never raises, whatever the value is."""
    return json.dumps(plain(value), separators=(",", ":"))


def plain(value: object, depth: int = 0) -> object:
    """The value as text, number, true, false, null, list or object; what is none of them, by its text."""
    match value:
        case None | bool():
            return value
        case str():
            return well_formed(str(value))
        case int():
            # Beyond it JavaScript and Elasticsearch lose digits, or the line.
            return int(value) if -(1 << 63) <= value < 1 << 63 else str(value)
        case float():
            return float(value) if math.isfinite(value) else str(value)
        case dict() if depth < DEEPEST:
            return {well_formed(_text(key)): plain(each, depth + 1) for key, each in value.items()}
        case list() | tuple() | set() | frozenset() if depth < DEEPEST:
            return [plain(each, depth + 1) for each in value]
        case _:
            return well_formed(_text(value))


def well_formed(text: str) -> str:
    """Without halves of surrogate pairs, which no UTF-8 has: a strict reader refuses the whole line."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:  # whatever somebody's __str__ raises, the line is written
        return f"<{type(value).__name__}>"
