"""Wiring: from a configuration to a serving process."""

import asyncio
import gc
import os
import signal
from contextlib import suppress
from pathlib import Path

import uvloop

from kun_base.errors import ConfigError, Fault
from kun_base.journal import Journal
from kun_base.notify import notify
from kun_dns64.config.flags import Flags
from kun_dns64.config.load import load
from kun_dns64.config.resolve import resolve
from kun_dns64.config.settings import Settings
from kun_dns64.server import Server
from kun_dns64.transport.sockets import ListenError, Listening, bind_all, inherited


def serve(path: Path | None, flags: Flags) -> int:
    """Runs until SIGTERM or SIGINT; the exit code. Raises ConfigError before anything is changed."""
    settings = resolve(load(path, flags))
    journal = Journal("kun-dns64", as_json=settings.log_format == "json", level=settings.log_level)
    try:
        sockets = inherited() or bind_all(settings.listen, settings.tls.listen if settings.tls else ())
    except ListenError as error:
        raise ConfigError("listen", [Fault("server.listen", "", str(error))]) from error
    # What exists now lives as long as the process.
    gc.collect()
    gc.freeze()
    return uvloop.run(_serve_here(settings, sockets, journal))


async def _serve_here(settings: Settings, sockets: list[Listening], journal: Journal) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = Server(settings, sockets, journal, settings.cookie_secret or os.urandom(16))
    await server.start()
    journal.info("ready", listen=" ".join(str(s.endpoint) for s in sockets), workers=1)
    notify("READY=1")
    await stop.wait()
    notify("STOPPING=1")
    with suppress(asyncio.CancelledError):
        await server.stop()
    journal.info("stopped")
    return 0
