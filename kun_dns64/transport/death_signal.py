"""A child that must not outlive its parent (prctl(2), PR_SET_PDEATHSIG)."""

import ctypes
import os
import signal

PR_SET_PDEATHSIG = 1


def end_with(parent: int) -> bool:
    """The kernel kills this process when `parent`, which forked it, is gone. False: it is gone already.

    A worker that stands still would never notice by itself, and keep its share of the port's datagrams for ever.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    return os.getppid() == parent
