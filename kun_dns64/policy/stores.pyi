from collections.abc import Callable
from typing import Any

from kun_dns64.policy.cache import Stores
from kun_dns64.policy.generations import Generations as Generations

class Shelf:
    def __init__(self, stores: Stores) -> None: ...
    def find(self, key: bytes, now: float) -> tuple[bytes, int, int] | bool | None: ...
    def keep(self, key: bytes, packed: bytes, lifetime: int, now: float) -> int: ...

keep_reply: Callable[..., Any]
