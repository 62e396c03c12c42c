"""Withdraw several prefixes from one speaker, for the thread that acts when the event loop hangs."""

from collections.abc import Iterable
from typing import Protocol

from kun_nat64.model.errors import DriverError
from kun_nat64.model.facts import any_path
from kun_nat64.model.plan import Action, Change


class Withdrawing(Protocol):
    """What is needed of a speaker (drivers/speaker.py)."""

    async def apply(self, change: Change) -> None: ...

    def close(self) -> None: ...


async def withdraw_all(speaker: Withdrawing, prefixes: Iterable[str]) -> None:
    """Try every prefix, and close the speaker. Raises the DriverError of the last one that failed."""
    problem = None
    for prefix in prefixes:
        try:
            await speaker.apply(Change(Action.REMOVE, any_path(prefix)))
        except DriverError as error:
            problem = error
    speaker.close()
    if problem is not None:
        raise problem
