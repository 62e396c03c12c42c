"""Files that outlive an agent: the lock that keeps two apart, its drain and falls, what it told BGP, and the settings
that a teardown puts back.
"""

import fcntl
import json
import math
import os
import socket
import struct
from dataclasses import asdict
from ipaddress import IPv4Address, ip_network
from pathlib import Path
from typing import Any

from kun_nat64.model.announcement import Told
from kun_nat64.model.drain import SERVING, Drain, Phase
from kun_nat64.model.facts import Facts, LinkState, Sysctl
from kun_nat64.policy.holddown import FallRecord

# Abstract: it has no file, and belongs to a network namespace as the gateway does.
GATEWAY = "\0kun-nat64"
PEER = struct.Struct("iII")
LOCK, CONTROL = "agent.lock", "control.sock"
DRAIN, FALLS, TOLD, BEFORE = "drain.json", "falls.json", "told.json", "before.json"


class AlreadyRunning(Exception):
    """Another agent holds the lock; `pid` is what it wrote there ("" when it did not get that far)."""

    def __init__(self, pid: str) -> None:
        self.pid = pid
        super().__init__(f"an agent is running already (pid {pid or 'unknown'})")


class Lock:
    """Held from `take` to the end of the process, however it ends: the kernel lets go of flock(2) then.

    An abstract unix socket goes with it, of which a network namespace has one: for agents of other run directories.
    """

    def __init__(self, run_dir: Path) -> None:
        self._path = run_dir / LOCK
        self._descriptor: int | None = None
        self._gateway: socket.socket | None = None

    def take(self) -> None:
        """Raises AlreadyRunning, or OSError where the directory cannot be made or written: then only it is not kept."""
        self._gateway = self._gateway or _gateways_own()
        try:
            self._take_file()
        except AlreadyRunning:
            self.release()
            raise

    def _take_file(self) -> None:
        self._path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            pid = os.read(descriptor, 32).decode(errors="replace").strip()
            os.close(descriptor)
            raise AlreadyRunning(pid) from error
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._descriptor = descriptor

    def release(self) -> None:
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None
        if self._gateway is not None:
            self._gateway.close()
            self._gateway = None


def _gateways_own() -> socket.socket:
    """Raises AlreadyRunning."""
    own = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        own.bind(GATEWAY)
        own.listen(1)
    except OSError as error:
        own.close()
        raise AlreadyRunning(_who_listens()) from error
    return own


def _who_listens() -> str:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as other:
        try:
            other.connect(GATEWAY)
            pid: int = PEER.unpack(other.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size))[0]
        except OSError:
            return ""
    return str(pid)


def running_pid(run_dir: Path) -> int | None:
    """The agent that holds the lock, or None."""
    try:
        descriptor = os.open(run_dir / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.read(descriptor, 32).decode(errors="replace").strip()
        return int(text) if text.isdigit() else 0
    finally:
        os.close(descriptor)
    return None


def load_drain(folder: Path, *, now: float, wall: float) -> Drain:
    """What an earlier agent wrote, by the clock of this one. A file that is missing or makes no sense is no drain."""
    try:
        data: Any = json.loads((folder / DRAIN).read_text())
        since = float(data["since"])
        begun = now - max(0.0, wall - since)
        return Drain(Phase(data["phase"]), since, begun, str(data["why"]), ended=str(data["ended"]))
    except (OSError, ValueError, KeyError, TypeError):
        return SERVING


def save_drain(folder: Path, drain: Drain) -> None:
    """Whole or not at all. Raises OSError."""
    path = folder / DRAIN
    if drain.phase is Phase.SERVING:
        path.unlink(missing_ok=True)
        return
    _write_whole(path, asdict(drain))


def load_falls(folder: Path) -> FallRecord:
    """What an earlier agent wrote; none for a file that is missing or makes no sense."""
    try:
        data: Any = json.loads((folder / FALLS).read_text())
        found = FallRecord(int(data["count"]), float(data["at"]), int(data["total"]))
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return FallRecord()
    return found if 0 <= found.count <= found.total and math.isfinite(found.at) else FallRecord()


def save_falls(folder: Path, record: FallRecord) -> None:
    """Whole or not at all. Raises OSError."""
    _write_whole(folder / FALLS, asdict(record))


def load_told(run_dir: Path) -> Told | None:
    """What the last agent told BGP to announce; None: nothing, or nobody knows."""
    try:
        data: Any = json.loads((run_dir / TOLD).read_text())
        prefixes = tuple(str(ip_network(prefix)) for prefix in data["prefixes"])
        return Told(str(data["speaker"]), str(data["api"]), IPv4Address(data["next_hop"]), prefixes)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def save_told(run_dir: Path, told: Told) -> None:
    """Whole or not at all. Raises OSError."""
    if told.prefixes:
        _write_whole(run_dir / TOLD, {**asdict(told), "next_hop": str(told.next_hop)})
    else:
        (run_dir / TOLD).unlink(missing_ok=True)


def remember_before(run_dir: Path, facts: Facts) -> None:
    """Keeps the settings of the machine as they are before the first change; later calls change nothing. OSError."""
    path = run_dir / BEFORE
    if path.exists():
        return
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    sysctls = {fact.name: fact.value for fact in facts if isinstance(fact, Sysctl)}
    links = {fact.name: fact.up for fact in facts if isinstance(fact, LinkState)}
    _write_whole(path, {"sysctls": sysctls, "links": links})


def load_before(run_dir: Path) -> Facts:
    """Nothing where nothing was kept, or what was kept makes no sense."""
    try:
        data: Any = json.loads((run_dir / BEFORE).read_text())
        sysctls = {Sysctl(str(name), str(value)) for name, value in data["sysctls"].items()}
        links = {LinkState(str(name), bool(up)) for name, up in data["links"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return frozenset()
    return frozenset(sysctls | links)


def forget_before(run_dir: Path) -> None:
    (run_dir / BEFORE).unlink(missing_ok=True)


def _write_whole(path: Path, data: Any) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(data))
    fresh.replace(path)
