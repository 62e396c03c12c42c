"""A command that could not: in words for people, and as JSON for the program that asked for JSON."""

import json
import sys

FAILED = 1


def complain(words: str, *, as_json: bool = False, code: int = FAILED) -> int:
    """Returns `code`, the exit code. With --json standard output is one JSON value in this case, too."""
    print(words, file=sys.stderr)
    if as_json:
        print(json.dumps({"error": words}))
    return code
