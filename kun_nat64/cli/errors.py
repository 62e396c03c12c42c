"""Errors of commands: as text, and as JSON with --json."""

import json
import sys

FAILED = 1


def complain(words: str, *, as_json: bool = False, code: int = FAILED) -> int:
    """Print the error and return `code`, the exit code. With --json it is one JSON value on standard output."""
    print(words, file=sys.stderr)
    if as_json:
        print(json.dumps({"error": words}))
    return code
