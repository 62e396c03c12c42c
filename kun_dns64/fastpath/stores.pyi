from collections.abc import Callable
from typing import Any

from kun_dns64.cache.answers import Stores
from kun_dns64.cache.generations import Generations as Generations

class MissStore:
    def __init__(self, stores: Stores) -> None: ...
    def find(self, key: bytes, now: float, exists: bool = False) -> tuple[bytes, int, int] | bool | None: ...
    def put_off(self, key: bytes, entry: bytes, age: int) -> None: ...
    def keep(self, key: bytes, packed: bytes, lifetime: int, now: float) -> int: ...

ENTRY_BYTES: int

keep_reply: Callable[..., Any]

LAYOUT: dict[str, int]

def check_layout(**found: int) -> None: ...
