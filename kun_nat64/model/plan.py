"""A plan: the changes that turn what is observed into what is desired. A value; nothing has happened yet."""

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum

from kun_nat64.model.facts import Fact


class Action(StrEnum):
    ADD = "add"
    REPLACE = "replace"
    REMOVE = "remove"


SIGNS = {Action.ADD: "+", Action.REPLACE: "~", Action.REMOVE: "-"}


@dataclass(frozen=True, slots=True)
class Change:
    """`fact` is what shall be there (for REMOVE: what shall go); `before` what REPLACE finds in its place."""

    action: Action
    fact: Fact
    before: Fact | None = None

    def __str__(self) -> str:
        was = f"   (was: {self.before})" if self.before is not None else ""
        return f"{SIGNS[self.action]} {self.fact}{was}"


@dataclass(frozen=True, slots=True)
class Cut:
    """Live flows that a plan ends, and why: `flows` None where they could not be counted."""

    flows: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Changes in the order in which they are applied. `unknown`: areas that could not be looked at, left alone."""

    changes: tuple[Change, ...] = ()
    cuts: tuple[Cut, ...] = ()
    unknown: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.changes)

    @property
    def checksum(self) -> str:
        """Equal for equal changes in equal order; 12 hex digits, for people to compare."""
        return hashlib.sha256("\n".join(map(str, self.changes)).encode()).hexdigest()[:12]

    @property
    def removals(self) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.action is Action.REMOVE)

    def __str__(self) -> str:
        return "\n".join([*map(str, self.changes), *(f"! {cut.reason}" for cut in self.cuts)])


class RefusalKind(StrEnum):
    TOO_MANY_REMOVALS = "too-many-removals"
    LIVE_SESSIONS = "live-sessions"
    LAST_EXIT = "last-exit"
    FOREIGN_OBJECT = "foreign-object"
    NEEDS_RESTART = "needs-restart"
    UNKNOWN = "unknown"
    WAITS = "waits"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the guard does not let a plan pass. `forcible` False: not even `--force` does it. `held`: these changes."""

    kind: RefusalKind
    reason: str
    forcible: bool = True
    held: frozenset[Change] = field(default=frozenset(), compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.kind}: {self.reason}"
