"""Netlink in one thread per network namespace: links, addresses, routes (rtnetlink(7), through pyroute2).

The event loop never waits for the kernel: each namespace has a thread that entered it once and serves nothing else.
pyroute2 is imported in that thread, when it is first needed.
"""

import asyncio
import errno
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from kun_nat64.drivers.netns import enter_namespace
from kun_nat64.model.errors import DriverError, FailureKind

DEADLINE_S = 5.0
# The first call imports pyroute2, which takes its time on a slow machine.
FIRST_DEADLINE_S = 30.0

Result = TypeVar("Result")
# pyroute2's IPRoute, which has no type annotations.
Session = Any
Job = tuple[Future[Any], Callable[[], Any]]


class NetlinkThread:
    """`netns` "" is the agent's own namespace. A kernel that keeps the thread waiting does not keep the program."""

    def __init__(self, netns: str = "") -> None:
        self._netns = netns
        self._session: Session = None
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._started = self._closed = False

    async def call(self, work: Callable[[Session], Result], *words: str) -> Result:
        """`work` with a session, in the thread. `words`: the `ip` command that does the same, for errors.

        Raises DriverError.
        """
        argv = ("ip", *(("-n", self._netns) if self._netns else ()), *words)
        if self._closed:
            raise DriverError(FailureKind.UNREACHABLE, argv, "closed: another configuration has taken over")
        if not self._started:
            self._started = True
            Thread(target=self._serve, name=f"netlink-{self._netns or 'own'}", daemon=True).start()
        result: Future[Result] = Future()
        self._jobs.put((result, lambda: self._guarded(work, argv)))
        deadline_s = DEADLINE_S if self._session is not None else FIRST_DEADLINE_S
        try:
            async with asyncio.timeout(deadline_s):
                return await asyncio.wrap_future(result)
        except TimeoutError:
            raise DriverError(FailureKind.TIMEOUT, argv, f"no answer within {deadline_s:g} s") from None

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            result, work = job
            if result.set_running_or_notify_cancel():
                try:
                    result.set_result(work())
                except BaseException as error:
                    result.set_exception(error)
        if self._session is not None:
            self._session.close()

    def _guarded(self, work: Callable[[Session], Result], argv: tuple[str, ...]) -> Result:
        from pyroute2 import NetlinkError

        try:
            return work(self._opened())
        except NetlinkError as error:
            raise _translated(argv, error.code, str(error.args[-1])) from error
        except OSError as error:
            raise _translated(argv, error.errno or 0, str(error)) from error

    def _opened(self) -> Session:
        if self._session is None:
            from pyroute2 import IPRoute

            if self._netns:
                enter_namespace(self._netns)
            self._session = IPRoute(strict_check=True)
        return self._session

    def close(self) -> None:
        """Lets the namespace go, once the thread has finished what it is doing. Safe to call twice."""
        self._closed = True
        self._jobs.put(None)


KINDS = {
    errno.EPERM: FailureKind.PERMISSION,
    errno.EACCES: FailureKind.PERMISSION,
    errno.EEXIST: FailureKind.CONFLICT,
    errno.ENOENT: FailureKind.NOT_FOUND,
    errno.ESRCH: FailureKind.NOT_FOUND,
    errno.ENODEV: FailureKind.NOT_FOUND,
    errno.EADDRNOTAVAIL: FailureKind.NOT_FOUND,
    errno.EOPNOTSUPP: FailureKind.MISSING_MODULE,
}


def _translated(argv: tuple[str, ...], code: int, text: str) -> DriverError:
    kind = KINDS.get(code, FailureKind.EXIT_CODE)
    if kind is FailureKind.MISSING_MODULE and "type" in argv:
        text = f"{text}; `modprobe {argv[argv.index('type') + 1]}`"
    return DriverError(kind, argv, text, code)
