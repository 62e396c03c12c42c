"""Who follows the table, and which version each has taken."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

MAX_CONSUMERS = 1000
FORGOTTEN_AFTER_S = 60.0


@dataclass(slots=True)
class Follower:
    """`sent` and `applied`: versions. `heard`: when it connected or said something last, on the monotonic clock."""

    name: str
    role: str
    view: str
    sent: str = ""
    applied: str = ""
    connections: int = 0
    heard: float = 0.0


class Followers:
    """Consumers by role and name; one that is gone is forgotten after a minute."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Follower] = {}

    def joined(self, name: str, role: str, view: str, now: float) -> Follower | None:
        """Note a connection. None: there are too many."""
        self.forget(now)
        found = self._known.get((role, name))
        if found is None:
            if len(self._known) >= MAX_CONSUMERS:
                return None
            found = self._known[role, name] = Follower(name, role, view)
        found.connections += 1
        found.heard, found.view = now, view
        return found

    def left(self, follower: Follower, now: float) -> None:
        """Note the end of a connection."""
        follower.connections -= 1
        follower.heard = now

    def applied(self, name: str, role: str, version: str, now: float) -> bool:
        """Note what a consumer says it has in force. False: nobody of that name follows."""
        found = self._known.get((role, name))
        if found is None:
            return False
        found.applied, found.heard = version, now
        return True

    def forget(self, now: float) -> None:
        """Forget those that left a while ago."""
        gone = [key for key, one in self._known.items() if not one.connections and now > one.heard + FORGOTTEN_AFTER_S]
        for key in gone:
            del self._known[key]

    def all(self) -> Iterable[Follower]:
        """Everybody, by role and name."""
        return [one for _, one in sorted(self._known.items())]

    def programmed(self, role: str, is_as_new: Callable[[Follower], bool]) -> tuple[int, int]:
        """How many of a role have a table in force that is new enough, and how many there are."""
        found = [one for one in self._known.values() if one.role == role]
        return sum(map(is_as_new, found)), len(found)
