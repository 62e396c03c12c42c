"""What the last look found, for as long as it can be trusted."""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Seen = TypeVar("Seen")


class Memo(Generic[Seen]):
    """Kept for `keep_s` seconds at most. A look that fails is not remembered."""

    def __init__(self, keep_s: float) -> None:
        self._keep_s = keep_s
        self._seen: Seen | None = None
        self._at = 0.0
        self._forgotten = 0
        self._doubt_until = 0.0

    def forget(self) -> None:
        self._seen = None
        self._forgotten += 1

    def doubt(self, until: float) -> None:
        """Somebody may be about to change something: nothing is remembered before `until`."""
        self.forget()
        self._doubt_until = until

    def kept(self, now: float) -> Seen | None:
        """The remembered look; None: there is none that can be trusted."""
        return self._seen if self._doubt_until <= now < self._at + self._keep_s else None

    async def get(self, now: float, look: Callable[[], Awaitable[Seen]]) -> Seen:
        """The remembered look, or a new one."""
        kept = self.kept(now)
        if kept is not None:
            return kept
        self._seen, before = None, self._forgotten
        found = await look()
        # Something may have changed while we looked: then the next look is a new one.
        if self._forgotten == before:
            self._seen, self._at = found, now
        return found
