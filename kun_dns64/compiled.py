"""What runs compiled: all of it, where a compiler was there when the wheel was built, or nothing."""

import importlib.util
import os
from typing import Any

from kun_dns64.policy.generations import Generations

MODULES = (
    "kun_dns64.desk",
    "kun_dns64.misspath",
    "kun_dns64.formats.coldwire",
    "kun_dns64.policy.stores",
    "kun_dns64.transport.ports",
)
# KUN_PURE_PYTHON=1 asks for the plain path only.
IN_PYTHON_ONLY = "KUN_PURE_PYTHON" in os.environ or any(importlib.util.find_spec(name) is None for name in MODULES)


def generations() -> type[Generations[Any]]:
    """The store of caches and memos."""
    if IN_PYTHON_ONLY:
        return Generations
    from kun_dns64.policy import stores

    return stores.Generations
