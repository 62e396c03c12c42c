"""The connections of a worker: how many there may be, and which one goes (RFC 7766 section 6.2, RFC 9210 section 4)."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

# A connection that has just come and asked nothing yet is no idle one for so long.
NEWCOMER_S = 1.0
# What one connection may take of a turn of the loop, so that a long pipeline leaves time for the others.
TURN_S = 0.002
# The same when others wait for their turns: one query at least, so that who has few is not behind who has many.
SHORT_TURN_S = 0.0001


@dataclass(slots=True)
class StreamLimits:
    """`idle_s` without a whole query closes a connection; beyond the counts the one idle longest goes.

    `budget_s`: within it every query is answered, so no connection waits for an answer for longer.
    """

    idle_s: float
    max_connections: int
    max_per_client: int
    budget_s: float


class Connection(Protocol):
    """What counts as one."""

    @property
    def client(self) -> str:
        """Its address."""
        ...

    @property
    def is_busy(self) -> bool:
        """It waits for us: a query of it was received and is not answered."""
        ...

    @property
    def has_asked(self) -> bool:
        """A query of it was ever taken."""
        ...

    def finish(self) -> None:
        """Takes no more queries, and closes when the answers are out."""
        ...

    def close_now(self) -> None:
        """Gone in the next turn of the loop, whatever the client does."""
        ...


class Turns:
    """Who has more to do than one turn of the loop's allows: one of them in each, so that the others have theirs."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        # What a connection may take as soon as it was read.
        self.at_once_s = TURN_S

    def add(self, turn: Callable[[], None]) -> None:
        """`turn` is called once, soon, after those added before it."""
        self._waiting.append(turn)
        if len(self._waiting) == 1:
            self.at_once_s = SHORT_TURN_S
            asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        turn = self._waiting.popleft()
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._next)
        else:
            self.at_once_s = TURN_S
        turn()


class Connections:
    """All open connections, the one idle longest first (RFC 7766 section 6.2.2, RFC 9210 section 4)."""

    def __init__(self, limits: StreamLimits) -> None:
        self.limits = limits
        self.turns = Turns()
        self._by_age: OrderedDict[Connection, float] = OrderedDict()
        self._by_client: dict[str, OrderedDict[Connection, None]] = {}
        self._none = asyncio.Event()
        self._none.set()
        self.closed_for_limit = 0

    def __len__(self) -> int:
        return len(self._by_age)

    def add(self, connection: Connection, now: float) -> None:
        """Others may have to go for it, more than one when the limits are new."""
        self._none.clear()
        self._by_age[connection] = now
        own = self._by_client.setdefault(connection.client, OrderedDict())
        own[connection] = None
        while len(own) > self.limits.max_per_client:
            self._close_for_limit(self._idle_longest(own, now))
        while len(self._by_age) > self.limits.max_connections:
            self._close_for_limit(self._idle_longest(self._by_age, now))

    def touch(self, connection: Connection, now: float) -> None:
        if connection in self._by_age:
            self._by_age[connection] = now
            self._by_age.move_to_end(connection)
            self._by_client[connection.client].move_to_end(connection)

    def remove(self, connection: Connection) -> None:
        if self._by_age.pop(connection, None) is None:
            return
        own = self._by_client[connection.client]
        del own[connection]
        if not own:
            del self._by_client[connection.client]
        if not self._by_age:
            self._none.set()

    def close_idle(self, now: float) -> None:
        """Closes what has been idle too long; to be called about once a second."""
        for connection, since in list(self._by_age.items()):
            age = now - since
            if age < self.limits.idle_s:
                return
            # Idle is whom nothing is owed (RFC 7766 section 3); after the budget nothing is, whatever was held up.
            if not connection.is_busy or age >= self.limits.idle_s + self.limits.budget_s:
                self._close(connection)

    def _idle_longest(self, among: Iterable[Connection], now: float) -> Connection:
        """Rather than a newcomer that may be about to ask, the one that waits longest."""
        oldest = next(iter(among))
        idle = next((connection for connection in among if not connection.is_busy), oldest)
        is_new = not idle.has_asked and now - self._by_age[idle] < NEWCOMER_S
        return oldest if is_new else idle

    def _close_for_limit(self, connection: Connection) -> None:
        self.closed_for_limit += 1
        self._close(connection)

    def _close(self, connection: Connection) -> None:
        """What is closed now is gone in the next turn of the loop; what closes by itself counts until it is lost."""
        connection.close_now()
        self.remove(connection)

    def finish_all(self) -> None:
        """No more queries; each connection closes when its last answer is out."""
        for connection in list(self._by_age):
            connection.finish()

    async def gone(self) -> None:
        """Returns when none is left: after `finish_all`, when all clients have read their answers."""
        await self._none.wait()

    def close_all(self) -> None:
        for connection in list(self._by_age):
            self._close(connection)
