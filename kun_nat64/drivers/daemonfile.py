"""Writes gobgpd's configuration, and makes gobgpd read it."""

import contextlib
import errno
import os
import tempfile
from pathlib import Path

from kun_nat64.drivers.command import Runner, failed
from kun_nat64.formats.gobgpconf import document, global_section
from kun_nat64.model.errors import DriverError, FailureKind
from kun_nat64.model.spec import BgpSpec

UNIT = "kun-gobgpd.service"
# A daemon that starts anew waits for its neighbours.
DEADLINE_S = 30.0


class DaemonFile:
    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        # The file is in place, and the daemon has not taken it yet.
        self._owed = ""

    async def settle(self, bgp: BgpSpec) -> str:
        """Writes the file where it differs, and has the daemon take it: what was done, "" for nothing.

        A reload keeps sessions and paths; only another AS or router id needs a restart. A file that gobgpd itself
        refuses is not put in place. Raises DriverError.
        """
        path = Path(bgp.daemon_file)
        wanted, found = document(bgp, passwords_of(bgp)), _read(path)
        if wanted != found:
            await self._write(path, wanted, secret="auth-password" in wanted)
            self._owed = "reload-or-restart" if found is not None and global_section(bgp) in found else "restart"
        if not self._owed:
            return ""
        argv = ("systemctl", self._owed, UNIT)
        outcome = await self._runner.run(*argv, deadline_s=DEADLINE_S)
        if outcome.exit_code != 0:
            raise failed(argv, outcome)
        verb, self._owed = self._owed, ""
        return f"{path} written, {UNIT}: {verb}"

    async def remove(self, bgp: BgpSpec) -> None:
        """It stays: kun-gobgpd.service does not start without it."""

    async def _write(self, path: Path, text: str, *, secret: bool) -> None:
        try:
            descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".gobgpd-", suffix=".conf")
        except OSError as error:
            raise refused(path, error) from error
        fresh = Path(name)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(text)
            argv = ("gobgpd", "-d", "-f", name)
            outcome = await self._runner.run(*argv)
            if outcome.exit_code != 0:
                raise failed(argv, outcome)
            put_in_place(fresh, path, secret=secret)
        except OSError as error:
            raise refused(path, error) from error
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)


def put_in_place(fresh: Path, path: Path, *, secret: bool) -> None:
    """With owner and mode of the file before; a first one is for everybody. A password is for nobody else."""
    try:
        before, now = path.stat(), fresh.stat()
        mode = before.st_mode & 0o777
        # The unit's sandbox forbids the call itself, also where it changes nothing.
        if (before.st_uid, before.st_gid) != (now.st_uid, now.st_gid):
            os.chown(fresh, before.st_uid, before.st_gid)
    except FileNotFoundError:
        mode = 0o644
    fresh.chmod(mode & 0o770 if secret else mode)
    fresh.replace(path)


def passwords_of(bgp: BgpSpec) -> dict[str, str]:
    """TCP MD5, by the peer's address. Raises DriverError."""
    found = {}
    for peer in bgp.peers:
        if peer.password_file:
            try:
                found[str(peer.address)] = Path(peer.password_file).read_text().strip()
            except (OSError, ValueError) as error:
                raise refused(Path(peer.password_file), error) from error
    return found


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except (OSError, ValueError):
        return None


def refused(path: Path, error: Exception) -> DriverError:
    sealed = getattr(error, "errno", None) == errno.EROFS
    remedy = f"; `systemctl edit kun-nat64`: [Service] ReadWritePaths={path.parent}" if sealed else ""
    return DriverError(FailureKind.PERMISSION, ("file", str(path)), f"{error}{remedy}")
