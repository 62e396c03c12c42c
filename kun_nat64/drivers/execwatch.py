"""Notices when somebody runs a program here: Jool itself tells of no change, but its command makes nearly all of them.

Through fanotify(7), which says whose process it was. Without it (no right, no such kernel) every look is a whole one.
"""

import asyncio
import contextlib
import ctypes
import os
import shutil
import struct
from collections.abc import Callable, Container

from kun_nat64.drivers.command import environment

FAN_CLOEXEC, FAN_NONBLOCK, FAN_MARK_ADD = 0x1, 0x2, 0x1
FAN_OPEN_EXEC = 0x1000
AT_FDCWD = -100
# Length, version, reserved, length of the metadata, mask, descriptor, process.
EVENT = struct.Struct("=IBBHQii")
# Each process that is waited for holds a descriptor. Of more, every look is a whole one until they have ended.
MOST_AWAITED = 64
# Each event that is read opens a file.
AT_ONCE = 32
_libc = ctypes.CDLL(None, use_errno=True)


class ExecWatch:
    """`notice` is called on the event loop when a process of our network namespace starts `program`, and when it ends.

    When it starts it has not done its work yet, and one that hangs never ends. Our own children are passed over (`own`:
    their process ids, also when they have ended), and those that ended before they could be asked.
    """

    def __init__(self, program: str, own: Container[int], notice: Callable[[], None]) -> None:
        self._program, self._own, self._notice = program, own, notice
        self._descriptor = -1
        self._running: set[int] = set()

    def start(self) -> None:
        path = shutil.which(self._program, path=environment()["PATH"])
        if path is None:
            return
        with contextlib.suppress(OSError):
            self._descriptor = _marked(os.path.realpath(path))
            asyncio.get_running_loop().add_reader(self._descriptor, self._read)

    @property
    def works(self) -> bool:
        """False as well while more processes run than are waited for: the end of each may have changed something."""
        return self._descriptor >= 0 and len(self._running) < MOST_AWAITED

    def _read(self) -> None:
        try:
            data = os.read(self._descriptor, EVENT.size * AT_ONCE)
        except OSError:
            return
        place, found = 0, False
        while place + EVENT.size <= len(data):
            length, _, _, _, _, descriptor, process = EVENT.unpack_from(data, place)
            place += max(length, EVENT.size)
            if descriptor >= 0:
                os.close(descriptor)
            if process not in self._own and _is_somebody_here(process):
                self._await_end(process)
                found = True
        if found:
            self._notice()

    def _await_end(self, process: int) -> None:
        if len(self._running) >= MOST_AWAITED:
            return
        with contextlib.suppress(OSError):  # it has ended, and the notice of its start is enough
            running = os.pidfd_open(process)
            self._running.add(running)
            asyncio.get_running_loop().add_reader(running, self._ended, running)

    def _ended(self, running: int) -> None:
        self._forget(running)
        self._notice()

    def _forget(self, running: int) -> None:
        with contextlib.suppress(RuntimeError):
            asyncio.get_running_loop().remove_reader(running)
        self._running.discard(running)
        os.close(running)

    def close(self) -> None:
        for running in tuple(self._running):
            self._forget(running)
        if self._descriptor >= 0:
            with contextlib.suppress(RuntimeError):
                asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1


def _marked(path: str) -> int:
    """Raises OSError."""
    descriptor = _libc.fanotify_init(FAN_CLOEXEC | FAN_NONBLOCK, os.O_RDONLY | os.O_CLOEXEC)
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), "fanotify_init")
    marked = _libc.fanotify_mark(descriptor, FAN_MARK_ADD, ctypes.c_uint64(FAN_OPEN_EXEC), AT_FDCWD, path.encode())
    if marked < 0:
        code = ctypes.get_errno()
        os.close(descriptor)
        raise OSError(code, "fanotify_mark")
    found: int = descriptor
    return found


def _is_somebody_here(process: int) -> bool:
    """Whether it is in our network namespace (another one has a Jool of its own), and no child of ours."""
    try:
        if not _may_be_here(process):
            return False
        with open(f"/proc/{process}/stat", "rb") as file:
            parent = file.read().rpartition(b")")[2].split()[1]
    except (OSError, IndexError):
        return False
    return int(parent) != os.getpid()


def _may_be_here(process: int) -> bool:
    """A process with more rights than ours (as of a root shell, for the sandboxed agent) hides it: it may be."""
    try:
        return os.readlink(f"/proc/{process}/ns/net") == os.readlink("/proc/self/ns/net")
    except PermissionError:
        return True
