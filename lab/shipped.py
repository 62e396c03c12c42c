"""Shipped configuration files as texts, and a host's own values put into them."""

import re

from lab.errors import LabError

# Text by path.
Files = dict[str, str]


def put(text: str, pattern: str, value: str) -> str:
    """Replaces the one place that matches. Raises LabError when the shipped file no longer has it."""
    replaced, count = re.subn(pattern, lambda _: value, text, flags=re.MULTILINE)
    if count != 1:
        raise LabError(f"a shipped configuration file has {count} places instead of one that look like {pattern}")
    return replaced
