"""The connections of a worker: how many there may be, and which one goes (RFC 7766 section 6.2, RFC 9210 section 4).

The bounds are those of all workers together. A worker closes its own connections only. One that takes a newcomer and
has no other to close keeps it; within a second those that have more do the rest.
"""

import asyncio
import sys
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from kun_dns64.policy.client_share import FACTOR
from kun_dns64.state.rate_limit import client_key
from kun_dns64.state.shared_counts import SharedCounts

# A connection that has just come and asked nothing yet is no idle one for so long: also where this process is late to
# read what has come, or the client is busy.
NEWCOMER_S = 0.5
# What one connection may take of a turn of the loop, so that a long pipeline leaves time for the others.
TURN_S = 0.002
# The same when others wait for their turns: one query at least, so that who has few is not behind who has many.
SHORT_TURN_S = 0.0001


# A client may have that many times its connections while each of them waits for us: who opens one for each question
# is not turned away for our slowness.
BUSY_SHARE = 2
# Connections whose clients do not read, of all workers, each with some MAX_UNSENT and one answer unsent
# (tcp_server.py): 128 KiB.
MOST_CLOGGED, MOST_CLOGGED_OF_CLIENT = 160, 20


def _is_never(_: str) -> bool:
    return False


@dataclass(slots=True)
class StreamLimits:
    """`idle_s` without a whole query closes a connection; beyond the counts the one idle longest goes.

    `budget_s`: within it every query is answered, so no connection waits for an answer for longer. `is_forwarder`: of
    an address, whether it asks for many, and has FACTOR times a client's connections. `most_here`: this process has
    files for no more.
    """

    idle_s: float
    max_connections: int
    max_per_client: int
    budget_s: float
    is_forwarder: Callable[[str], bool] = field(default=_is_never, compare=False)
    most_here: int = sys.maxsize

    def most_of(self, client: str) -> int:
        return self.max_per_client * FACTOR if self.is_forwarder(client) else self.max_per_client


class SharedLimits(NamedTuple):
    """Connections of all workers: those that are open, and those whose clients do not read."""

    open: SharedCounts
    clogged: SharedCounts

    def forget(self) -> None:
        """This worker has none."""
        for counts in self:
            counts.forget()


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
    def may_ask_yet(self) -> bool:
        """No query of it was taken so far, but one could be on its way."""
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

    def __init__(self, limits: StreamLimits, shared: SharedLimits | None = None) -> None:
        """`shared`: what other workers have; None: there are no others."""
        self.limits = limits
        self.turns = Turns()
        self._shared = shared or SharedLimits(SharedCounts(), SharedCounts())
        self._by_age: OrderedDict[Connection, float] = OrderedDict()
        # Those of one client, a /32 or a /56; and of each connection, whose they are.
        self._by_client: dict[object, OrderedDict[Connection, None]] = {}
        self._beside: dict[Connection, OrderedDict[Connection, None]] = {}
        self._clogged: OrderedDict[Connection, None] = OrderedDict()
        self._none = asyncio.Event()
        self._none.set()
        self.closed_for_limit = 0

    def __len__(self) -> int:
        return len(self._by_age)

    def add(self, connection: Connection, now: float) -> None:
        """Others may have to go for it, more than one when the limits are new."""
        self._none.clear()
        self._by_age[connection] = now
        own = self._by_client.setdefault(client_key(connection.client), OrderedDict())
        own[connection] = None
        self._beside[connection] = own
        self._shared.open.add(connection.client, 1)
        self._keep_to_share(connection.client, own, now)
        self._keep_to_most(now)

    def _keep_to_share(self, client: str, own: OrderedDict[Connection, None], now: float) -> None:
        """A client's last one here stays, as long as the others wait for us or can go."""
        most = self.limits.most_of(client)
        while own and (count := len(own) + self._shared.open.elsewhere(client)) > most:
            beyond = count > BUSY_SHARE * most
            if (len(own) == 1 and not beyond) or not self._makes_room(own, now, beyond):
                return

    def _keep_to_most(self, now: float) -> None:
        while len(self._by_age) > 1 and (
            len(self._by_age) > self.limits.most_here
            or len(self._by_age) + self._shared.open.all_elsewhere() > self.limits.max_connections
        ):
            if not self._makes_room(self._by_age, now, True):
                return

    def clog(self, connection: Connection) -> None:
        """Its client does not read what is ready. Of too many such connections the one that began first goes."""
        if connection not in self._by_age or connection in self._clogged:
            return
        self._clogged[connection] = None
        self._shared.clogged.add(connection.client, 1)
        beside = self._beside[connection]
        own = [one for one in self._clogged if one in beside]
        elsewhere = self._shared.clogged.elsewhere(connection.client)
        if len(own) + elsewhere > MOST_CLOGGED_OF_CLIENT:
            self._close_for_limit(own[0])
        elif len(self._clogged) + self._shared.clogged.all_elsewhere() > MOST_CLOGGED:
            self._close_for_limit(next(iter(self._clogged)))

    def unclog(self, connection: Connection) -> None:
        if connection in self._clogged:
            del self._clogged[connection]
            self._shared.clogged.add(connection.client, -1)

    def touch(self, connection: Connection, now: float) -> None:
        if connection in self._by_age:
            self._by_age[connection] = now
            self._by_age.move_to_end(connection)
            self._beside[connection].move_to_end(connection)

    def remove(self, connection: Connection) -> None:
        self.unclog(connection)
        if self._by_age.pop(connection, None) is None:
            return
        self._shared.open.add(connection.client, -1)
        own = self._beside.pop(connection)
        del own[connection]
        if not own:
            del self._by_client[client_key(connection.client)]
        if not self._by_age:
            self._none.set()

    def keep_house(self, now: float) -> None:
        """Close what has been idle too long or is beyond the bounds; to be called about once a second."""
        self.close_idle(now)
        for own in list(self._by_client.values()):
            if len(own) > 1:
                self._keep_to_share(next(iter(own)).client, own, now)
        self._keep_to_most(now)

    def close_idle(self, now: float) -> None:
        """Closes what has been idle too long."""
        for connection, since in list(self._by_age.items()):
            age = now - since
            if age < self.limits.idle_s:
                return
            # Idle is whom nothing is owed (RFC 7766 section 3); after the budget nothing is, whatever was held up.
            if not connection.is_busy or age >= self.limits.idle_s + self.limits.budget_s:
                self._close(connection)

    def _makes_room(self, among: Iterable[Connection], now: float, even_the_newest: bool) -> bool:
        """Closes the one idle longest. One that waits for us makes no room, nor a newcomer that may be about to ask.

        False: there are only such. `even_the_newest`: then the last that came.
        """
        idle = [connection for connection in among if not connection.is_busy]
        settled = [one for one in idle if not one.may_ask_yet or now - self._by_age[one] >= NEWCOMER_S]
        if not idle or not (settled or even_the_newest):
            return False
        victim = idle[0]
        if victim is not next(iter(among)) and victim not in settled:
            victim = settled[0] if settled else idle[-1]
        self._close_for_limit(victim)
        return True

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
