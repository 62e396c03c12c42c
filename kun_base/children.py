"""Children of this process. As PID 1 of a container it has those of others too, which nobody else reaps."""

import os
from contextlib import suppress

# Whoever forks adds its child here, and reaps it.
OWN: set[int] = set()


def reap_strangers() -> int:
    """Reap every child that has ended and is not in OWN; how many those were. Does not wait."""
    reaped = 0
    with suppress(ChildProcessError):
        while True:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            # One of ours comes first: it is reaped in a moment.
            if found is None or found.si_pid in OWN:
                break
            os.waitpid(found.si_pid, os.WNOHANG)
            reaped += 1
    return reaped
