"""Cheap signs of life of the BGP speaker: when they change, its sessions or the daemon itself have changed.

Asking the speaker starts a process; reading two files of /proc does not. What was found there is then looked up socket
by socket, which costs a hundredth.
"""

import os
from collections.abc import Callable, Iterator

from kun_nat64.drivers.socketdiag import Found, SocketDiag

BGP_PORT = ":00B3"
ESTABLISHED, LISTEN = "01", "0A"
NOBODY = {8: "00000000:0000", 32: f"{'0' * 32}:0000"}
# For what comes beside what is known: another session. Rarely, since each look makes the kernel walk its whole table.
WHOLE_LOOK_S = 300.0
Pulse = frozenset[tuple[str, ...]]


class SpeakerPulse:
    """`take` is `pulse`, and reads the files only when something has changed, is missing, or is old."""

    def __init__(
        self, api: str, peers: int, proc_net: str = "/proc/net", look: Callable[[str, str], Found | None] | None = None
    ) -> None:
        self._api, self._peers, self._proc_net = api, peers, proc_net
        self._diag = SocketDiag()
        self._look = look or self._diag.look_up
        self._last: Pulse = frozenset()
        self._read_at = float("-inf")

    def take(self, now: float) -> Pulse:
        sessions = sum(len(sign) == 3 for sign in self._last)
        if sessions < self._peers or now - self._read_at >= WHOLE_LOOK_S or not all(map(self._is_there, self._last)):
            self._last, self._read_at = pulse(self._api, self._proc_net), now
        return self._last

    def close(self) -> None:
        self._diag.close()

    def _is_there(self, sign: tuple[str, ...]) -> bool:
        if sign == _unix_sign(self._api):
            return True
        if len(sign) == 3:
            found = self._look(sign[0], sign[1])
            return found is not None and found[1] == sign[2]
        local, inode = sign
        nobody = NOBODY.get(local.find(":"))
        found = self._look(local, nobody) if nobody else None
        return found is not None and found[0] == inode


def _unix_sign(api: str) -> tuple[str, ...] | None:
    return _unix_socket(api) if api.startswith("unix://") else None


def pulse(api: str, proc_net: str = "/proc/net") -> Pulse:
    """The connections of BGP and the socket of the API: equal as long as nothing happened to them."""
    if api.startswith("unix://"):
        found, api_port = {_unix_socket(api)}, ""
    else:
        found, api_port = set(), f":{int(api.rpartition(':')[2]):04X}"
    for name in ("tcp", "tcp6"):
        found.update(_signs(f"{proc_net}/{name}", api_port))
    return frozenset(found)


def established(found: Pulse) -> int:
    """Connections of BGP that are up."""
    return sum(len(sign) == 3 and sign[2] == ESTABLISHED for sign in found)


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
