"""`kun-controller run`."""

import os
import socket
from typing import Any

from kun_cluster.control.service import Settings, endpoint, serve


def run_controller(*, listen: str, admin: str, identity: str, **flags: Any) -> int:
    """Run until told to stop. Raises ConfigError for wrong flags."""
    name = identity or f"{socket.gethostname()}-{os.getpid()}"
    return serve(
        Settings(listen=endpoint("--listen", listen), admin=endpoint("--admin", admin), identity=name, **flags)
    )
