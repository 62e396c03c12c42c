"""Whether the compiled modules run: all of them, where a compiler was there when the wheel was built, or none."""

import importlib.util
import os
from typing import Any

from kun_dns64.cache.generations import Generations

MODULES = (
    "kun_dns64.fastpath.reply_lookup",
    "kun_dns64.fastpath.miss_path",
    "kun_dns64.fastpath.wire",
    "kun_dns64.fastpath.stores",
    "kun_dns64.fastpath.udp_batch",
    "kun_dns64.fastpath.port_pool",
)
# KUN_PURE_PYTHON=1 asks for the plain path. The two kinds are never mixed: a module that is missing leaves all unused.
COMPILED = "KUN_PURE_PYTHON" not in os.environ and all(importlib.util.find_spec(name) for name in MODULES)


def generations() -> type[Generations[Any]]:
    """The store of caches and memos."""
    if not COMPILED:
        return Generations
    from kun_dns64.fastpath import stores

    return stores.Generations
