"""How many files this process may have open, and what share of them connections may take."""

import resource
import sys
from contextlib import suppress

from kun_base.journal import Journal

# Upstream ports and connections, listeners, files.
OTHER_FILES = 1000


def allow_files(connections: int, journal: Journal) -> None:
    """As many open files as this process may have: shells give 1024, one connection takes one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # A sandbox may forbid it: systemd has set the limit then.
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    wanted, allowed = connections + OTHER_FILES, allowed_connections()
    if allowed < connections:
        advice = "raise LimitNOFILE= or ulimit -Hn"
        journal.warning("few-open-files", limit=hard, wanted=wanted, connections=allowed, advice=advice)


def allowed_connections() -> int:
    """No more than leave files for the rest: without a socket towards upstreams, UDP has no answers either."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else max(soft - OTHER_FILES, soft // 2)
