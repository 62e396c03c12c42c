"""The raw content of a TOML file: for those who check it, and for those who want one value of it quickly."""

import tomllib
from pathlib import Path
from typing import Any

from kun_base.errors import ConfigError, Fault


def read(path: Path) -> dict[str, Any]:
    """The raw content of `path`. Raises ConfigError when it cannot be read or is no TOML."""
    try:
        # Some editors begin a file with a mark (BOM), which TOML does not know.
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(str(path), [Fault("file", "", f"cannot be read: {reason}")]) from error
    return loads(text, str(path))


def loads(text: str, source: str) -> dict[str, Any]:
    """Raises ConfigError, which names `source`, for what is no TOML."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(source, [Fault("file", "", f"not TOML: {error}")]) from error
    except RecursionError as error:
        raise ConfigError(source, [Fault("file", "", "brackets are nested deeper than can be read")]) from error
