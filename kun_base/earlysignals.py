"""Signals that come while a program still starts: SIGHUP waits for the program, SIGUSR1 and SIGUSR2 mean nothing.

By default each of them ends a process, and whoever sends a SIGHUP wants a reload, not an end.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what is imported here delays `hold`
    import asyncio
    from collections.abc import Callable
    from types import FrameType


class _Noted:
    """A handler, and not SIG_IGN: that would be handed down to every command the program starts."""

    def __init__(self) -> None:
        self.came = False

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        self.came = True


def _end(_number: int, _frame: FrameType | None) -> None:
    """Nothing is served yet, so nothing is left to do."""
    raise SystemExit(0)


def hold() -> None:
    """To be called before anything that takes time. SIGTERM and SIGINT end the process.

    SIGTERM by a handler: without one it would mean nothing to PID 1 of a container (pid_namespaces(7)).
    """
    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, _Noted())
    signal.signal(signal.SIGTERM, _end)


def hand_over(loop: asyncio.AbstractEventLoop, reload: Callable[[], object]) -> None:
    """Every SIGHUP from now on calls `reload`, and those that came since `hold` call it once."""
    held = signal.getsignal(signal.SIGHUP)
    loop.add_signal_handler(signal.SIGHUP, reload)
    if isinstance(held, _Noted) and held.came:
        loop.call_soon(reload)
