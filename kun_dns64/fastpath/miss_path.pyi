from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Any

from kun_dns64.model.message import Source
from kun_dns64.model.step import Rule
from kun_dns64.policy.client_share import ClientShare
from kun_dns64.policy.plain_query import Plain
from kun_dns64.policy.prepared import Prepared
from kun_dns64.serving.reply_lookup import ReplyLookup
from kun_dns64.serving.resolver import Resolver
from kun_dns64.transport.query_handler import Send

class MissPath:
    def __init__(
        self,
        resolver: Resolver,
        lookup: ReplyLookup,
        loop: AbstractEventLoop,
        resumed: Callable[..., Any],
        settled: Callable[[], None],
        held_back: Callable[[bytes, Source, Send, bytes], None],
    ) -> None: ...
    def forget_members(self) -> None: ...
    def renew(
        self,
        prepared: Prepared,
        plain_for: Callable[[Source], Plain | None],
        payload_max: int,
        max_ttl: int,
        longest_s: float,
        stagger_s: float,
        share_of: Callable[[Source], ClientShare],
    ) -> None: ...
    def way(self, otherwise: Callable[[bytes, Source, Send], None]) -> Callable[[bytes, Source, Send], None]: ...
    def take(self, wire: bytes, source: Source, send: Send) -> bool: ...
    pending: int
    queries: int
    late: int
    staggered: int
    refreshed: int
    def counted(self) -> tuple[dict[Rule, int], list[float], dict[str, list[float]]]: ...
