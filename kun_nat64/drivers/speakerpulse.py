"""Cheap signs of life of the BGP speaker: when they change, its sessions or the daemon itself have changed.

Asking the speaker starts a process; reading two files of /proc does not.
"""

import os
from collections.abc import Iterator

BGP_PORT = ":00B3"
LISTEN = "0A"
Pulse = frozenset[tuple[str, ...]]


def pulse(api: str, proc_net: str = "/proc/net") -> Pulse:
    """The connections of BGP and the socket of the API: equal as long as nothing happened to them."""
    if api.startswith("unix://"):
        found, api_port = {_unix_socket(api)}, ""
    else:
        found, api_port = set(), f":{int(api.rpartition(':')[2]):04X}"
    for name in ("tcp", "tcp6"):
        found.update(_signs(f"{proc_net}/{name}", api_port))
    return frozenset(found)


def _signs(path: str, api_port: str) -> Iterator[tuple[str, ...]]:
    """Cells of a line: slot, local, remote, state, queues, timer, retransmits, uid, timeout, inode."""
    try:
        with open(path, encoding="ascii") as file:
            lines = file.read().splitlines()
    except OSError:
        return
    for line in lines:
        if BGP_PORT not in line and not (api_port and api_port in line):
            continue
        cells = line.split()
        local, remote, state, inode = cells[1], cells[2], cells[3], cells[9]
        if remote.endswith(BGP_PORT) or (local.endswith(BGP_PORT) and state != LISTEN):
            yield local, remote, state
        elif api_port and local.endswith(api_port) and state == LISTEN:
            yield local, inode


def _unix_socket(api: str) -> tuple[str, ...]:
    try:
        status = os.stat(api.removeprefix("unix://"))
    except OSError:
        return ("no socket",)
    return str(status.st_ino), str(status.st_ctime_ns)
