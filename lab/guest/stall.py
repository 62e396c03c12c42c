"""usage: stall.py PID

Keeps the first thread of a process from running until this ends, and no other thread of it: an event loop that hangs.
It is held where it waits for events, so that it holds no lock that the others need.
"""

import ctypes
import os
import sys
import time

PTRACE_CONT, PTRACE_SEIZE, PTRACE_INTERRUPT = 7, 0x4206, 0x4207
ANY_KIND_OF_CHILD = 0x40000000  # __WALL
EPOLL_WAIT = ("232", "281")  # and epoll_pwait, on x86-64
_libc = ctypes.CDLL(None, use_errno=True)


def trace(request: int, pid: int) -> None:
    if _libc.ptrace(request, pid, None, None) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def system_call(pid: int) -> str:
    """The number of the one that it is in; "-1": in none."""
    with open(f"/proc/{pid}/syscall") as file:
        return file.read().split()[0]


def hold(pid: int) -> None:
    trace(PTRACE_SEIZE, pid)
    while True:
        trace(PTRACE_INTERRUPT, pid)
        os.waitpid(pid, ANY_KIND_OF_CHILD)
        if system_call(pid) in EPOLL_WAIT:
            return
        trace(PTRACE_CONT, pid)
        time.sleep(0.05)


if __name__ == "__main__":
    hold(int(sys.argv[1]))
    while True:
        time.sleep(3600)
