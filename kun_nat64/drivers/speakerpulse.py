"""Cheap signs of life of the BGP speaker: when they change, its sessions or the daemon itself have changed.

Asking the speaker starts a process; reading two files of /proc does not.
"""

import os
from pathlib import Path

BGP_PORT = 179
LISTEN = "0A"
Pulse = frozenset[tuple[str, ...]]


def pulse(api: str, proc_net: Path = Path("/proc/net")) -> Pulse:
    """The connections of BGP and the socket of the API: equal as long as nothing happened to them."""
    found = {_unix_socket(api)} if api.startswith("unix://") else set()
    port = 0 if api.startswith("unix://") else int(api.rpartition(":")[2])
    for name in ("tcp", "tcp6"):
        try:
            lines = (proc_net / name).read_text().splitlines()[1:]
        except OSError:
            continue
        found.update(sign for line in lines if (sign := _sign(line.split(), port)))
    return frozenset(found)


def _sign(cells: list[str], api_port: int) -> tuple[str, ...] | None:
    """Cells: slot, local, remote, state, queues, timer, retransmits, uid, timeout, inode."""
    local, remote, state, inode = cells[1], cells[2], cells[3], cells[9]
    if _port(remote) == BGP_PORT or (_port(local) == BGP_PORT and state != LISTEN):
        return local, remote, state
    if _port(local) == api_port and state == LISTEN:
        return local, inode
    return None


def _port(end: str) -> int:
    return int(end.rpartition(":")[2], 16)


def _unix_socket(api: str) -> tuple[str, ...]:
    try:
        status = os.stat(api.removeprefix("unix://"))
    except OSError:
        return ("no socket",)
    return str(status.st_ino), str(status.st_ctime_ns)
