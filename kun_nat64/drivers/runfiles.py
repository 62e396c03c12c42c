"""Files that outlive an agent: the lock that keeps two apart, its drain and falls, what it announced, and the settings
that a teardown puts back.
"""

import fcntl
import json
import math
import os
from dataclasses import asdict
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from kun_nat64.model.announcement import LastAnnounced
from kun_nat64.model.drain import SERVING, Drain, Phase
from kun_nat64.model.facts import Facts, LinkState, Sysctl
from kun_nat64.model.speakers import OLD_SPEAKERS
from kun_nat64.policy.holddown import FallRecord

# The same for agents of every run directory.
COMMON = Path("/run/kun-nat64")
LOCK, CONTROL = "agent.lock", "control.sock"
DRAIN, FALLS, ANNOUNCED, BEFORE, TAKEN = "drain.json", "falls.json", "told.json", "before.json", "taken.json"


class AlreadyRunning(Exception):
    """Another agent holds the lock; `pid` is what it wrote there ("" when it did not get that far)."""

    def __init__(self, pid: str) -> None:
        self.pid = pid
        super().__init__(f"an agent is running already (pid {pid or 'unknown'})")


class Lock:
    """Held from `take` to the end of the process, however it ends: the kernel lets go of flock(2) then.

    One in the run directory, and one in `common` for the network namespace, of which a gateway has one: for agents of
    other run directories. Nobody but root opens these files: who can open one can hold its lock.
    """

    def __init__(self, run_dir: Path, common: Path = COMMON) -> None:
        network = os.stat("/proc/self/ns/net").st_ino
        self._own, self._paths = run_dir / LOCK, (common / f"gateway-{network}.lock", run_dir / LOCK)
        self._held: list[int] = []

    def take(self) -> None:
        """Raises AlreadyRunning, or OSError where the run directory cannot be made or written.

        The others are taken all the same: no file, no lock.
        """
        problem: OSError | None = None
        for path in self._paths:
            try:
                self._held.append(_locked(path))
            except AlreadyRunning:
                self.release()
                raise
            except OSError as error:
                problem = error if path == self._own else None
        if problem is not None:
            raise problem

    def release(self) -> None:
        for descriptor in self._held:
            os.ftruncate(descriptor, 0)
            os.close(descriptor)
        self._held = []


def _locked(path: Path) -> int:
    """An open file with its lock. Raises AlreadyRunning or OSError."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        os.fchmod(descriptor, 0o600)  # of an earlier version, it may be readable
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        pid = os.read(descriptor, 32).decode(errors="replace").strip()
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            raise AlreadyRunning(pid) from error
        raise
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor


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
        phase, by_table = Phase(data["phase"]), data.get("by_table") is True
        return Drain(phase, since, begun, str(data["why"]), ended=str(data["ended"]), by_table=by_table)
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


def load_announced(run_dir: Path) -> LastAnnounced | None:
    """What the last agent announced; None: nothing, or it is not known."""
    try:
        data: Any = json.loads((run_dir / ANNOUNCED).read_text())
        prefixes = tuple(str(ip_network(prefix)) for prefix in data["prefixes"])
        speaker = OLD_SPEAKERS.get(data["speaker"], str(data["speaker"]))
        return LastAnnounced(speaker, str(data["api"]), prefixes, str(data.get("paths_file", "")))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def save_announced(run_dir: Path, last: LastAnnounced) -> None:
    """Whole or not at all. Raises OSError."""
    if last.prefixes:
        _write_whole(run_dir / ANNOUNCED, asdict(last))
    else:
        (run_dir / ANNOUNCED).unlink(missing_ok=True)


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
    (run_dir / TAKEN).unlink(missing_ok=True)


def save_taken(run_dir: Path, written: Any) -> None:
    """Keeps the file, as read, that the machine was brought to. Whole or not at all. Raises OSError."""
    _write_whole(run_dir / TAKEN, written)


def load_taken(run_dir: Path) -> Any:
    """None where nothing was kept, or what was kept makes no sense."""
    try:
        return json.loads((run_dir / TAKEN).read_text())
    except (OSError, ValueError):
        return None


def _write_whole(path: Path, data: Any) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(data))
    fresh.replace(path)
