"""Where the admin pages listen, and what they need loaded."""

import asyncio
import importlib
import socket
import sys
from concurrent.futures import ThreadPoolExecutor

from kun_base.errors import ConfigError, Fault
from kun_dns64.config.endpoint import Endpoint
from kun_dns64.transport.sockets import sockaddr


def listen_for_admin(where: Endpoint | None) -> socket.socket | None:
    """Before the program is ready: an address that is taken must not end one that serves. Raises ConfigError."""
    if where is None:
        return None
    family = socket.AF_INET6 if where.address.version == 6 else socket.AF_INET
    try:
        return socket.create_server(sockaddr(where), family=family)
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (while")[0]
        raise ConfigError("listen", [Fault("admin.listen", repr(str(where)), f"cannot listen: {reason}")]) from error


async def import_aside(*names: str) -> None:
    """Import in a thread: that takes a quarter of a second, while queries are answered already.

    The thread ends with it: the supervisor forks, and must have no other.
    """
    missing = [name for name in names if name not in sys.modules]
    if missing:
        with ThreadPoolExecutor(1) as pool:
            for name in missing:
                await asyncio.get_running_loop().run_in_executor(pool, importlib.import_module, name)
