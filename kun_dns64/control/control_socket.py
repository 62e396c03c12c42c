"""The control socket: a unix socket for root and one group. Without it the server serves on."""

import os
import shutil
import socket
from pathlib import Path

from kun_base.adminhttp import AdminServer
from kun_base.journal import Journal
from kun_dns64.config.settings import ControlSocket

# Owner and group may connect; the kernel asks for write permission (unix(7)).
MODE, UMASK = 0o660, 0o177


async def open_control_socket(wanted: ControlSocket, server: AdminServer, journal: Journal) -> bool:
    """Serve on the socket; return whether that worked. A path in use by another server is left alone."""
    path = wanted.path
    if path is None:
        return False
    try:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        if _is_served(path):
            journal.warning("control-socket", path=str(path), reason="another kun-dns64 serves it")
            return False
        path.unlink(missing_ok=True)
        before = os.umask(UMASK)
        try:
            await server.start_unix(str(path))
        finally:
            os.umask(before)
        if wanted.group:
            shutil.chown(path, group=wanted.group)
            path.chmod(MODE)
    except (OSError, LookupError) as error:
        journal.warning("control-socket", path=str(path), reason=str(error))
        await server.close()
        return False
    journal.info("control-socket", path=str(path), group=wanted.group or None)
    return True


def _is_served(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
