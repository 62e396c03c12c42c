"""Wiring: from a configuration to a serving process, alone or as a supervisor of workers."""

import asyncio
import gc
import os
import signal
import socket
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import uvloop

from kun_base.adminhttp import AdminServer, Page
from kun_base.earlysignals import hand_over
from kun_base.errors import ConfigError
from kun_base.journal import Journal
from kun_base.library_log import send_library_logs_to
from kun_base.notify import notify
from kun_dns64.config.background_load import Source
from kun_dns64.config.settings import Settings
from kun_dns64.control.admin_pages import CHANGES, Pages
from kun_dns64.control.admin_socket import listen_for_admin
from kun_dns64.control.control_loop import Control
from kun_dns64.control.table_feed import TableFeed, feed_for, joined
from kun_dns64.fastpath.selection import COMPILED
from kun_dns64.processes.listen import open_sockets
from kun_dns64.processes.single import Single
from kun_dns64.processes.socket_check import check_sockets
from kun_dns64.transport.file_limit import allow_files
from kun_dns64.transport.sockets import PASSES, Listening

GC_THRESHOLDS = (50_000, 20, 50)


def serve(source: Source) -> int:
    """Runs until SIGTERM or SIGINT; the exit code. Raises ConfigError before anything is changed."""
    settings = source.settings()
    if settings.cookie_secret is None:
        settings = replace(settings, cookie_secret=os.urandom(16))
    journal = Journal("kun-dns64", as_json=settings.log_format == "json", level=settings.log_level)
    send_library_logs_to(journal)
    feed = feed_for(settings.follow, None, journal)
    settings = joined(settings, feed)
    sockets = open_sockets(settings, journal)
    admin = _admin_socket(settings, journal)
    check_sockets(settings, sockets, journal)
    _keep_what_is()
    allow_files(settings.limits.tcp_max_connections, journal)
    if settings.workers == 1:
        return uvloop.run(_serve_alone(source, settings, sockets[0], admin, journal, feed))
    # No threads, no uvloop here: the supervisor forks.
    return asyncio.run(_supervise(source, settings, sockets, admin, journal, feed))


def _keep_what_is() -> None:
    """What exists now lives as long as the process: no collection need look at it again, no fork copies it.

    Collecting first would cost 20 ms of every start to free 600 objects. From here on cycles are looked for rarely:
    queries leave none, and the caches are bytes, which the collector does not visit.
    """
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    gc.enable()


def _admin_socket(settings: Settings, journal: Journal) -> socket.socket | None:
    """None: not yet; queries do not wait for it."""
    try:
        return listen_for_admin(settings.admin)
    except ConfigError as error:
        if not isinstance(error.__cause__, OSError) or error.__cause__.errno not in PASSES:
            raise
        journal.warning("waiting", reason=str(error.faults[0]))
        return None


async def _serve_alone(
    source: Source,
    settings: Settings,
    sockets: Sequence[Listening],
    admin: socket.socket | None,
    journal: Journal,
    feed: TableFeed | None,
) -> int:
    stop = _stop_on_signals()
    single = Single(settings, sockets, journal)
    await single.start()
    await _until_stopped(stop, Control(source, settings, single, journal, feed), admin, journal, sockets)
    await single.stop()
    journal.info("stopped")
    return 0


async def _supervise(
    source: Source,
    settings: Settings,
    sockets: Sequence[Sequence[Listening]],
    admin: socket.socket | None,
    journal: Journal,
    feed: TableFeed | None,
) -> int:
    from kun_dns64.processes.supervisor import Supervisor

    stop = _stop_on_signals()
    supervisor = Supervisor(settings, sockets, journal)
    try:
        await supervisor.start()
    except OSError as error:
        journal.error("start-failed", reason=str(error))
        return 1
    await _until_stopped(stop, Control(source, settings, supervisor, journal, feed), admin, journal, sockets[0])
    await supervisor.stop()
    journal.info("stopped")
    return 0


def _stop_on_signals() -> asyncio.Event:
    """To be called before anything is served: from the first answer on an end is a clean one."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def _served(control: Control) -> dict[str, str]:
    """What an operator looks for first: where questions go, what answers look like, and which file says so."""
    settings = control.settings
    return {
        "upstreams": " ".join(map(str, settings.groups[""])) or "none yet",
        "prefixes": " ".join(str(prefix) for prefix in settings.rules.prefixes),
        "file": str(control.source.path or "none"),
    }


async def _until_stopped(
    stop: asyncio.Event, control: Control, admin: socket.socket | None, journal: Journal, sockets: Sequence[Listening]
) -> None:
    """Tells that all is ready, and runs the control side until a signal ends it."""
    hand_over(asyncio.get_running_loop(), control.reload_wanted.set)
    control.tell_notices(control.settings)
    where = " ".join(str(listening.endpoint) for listening in sockets)
    journal.info("ready", listen=where, workers=control.settings.workers, compiled=COMPILED, **_served(control))
    notify("READY=1")
    try:
        pages = Pages(control, control.fleet)

        def operations() -> AdminServer:
            from kun_dns64.control.operations import Operations

            return Operations(control, control.fleet, pages).server()

        async def change(path: str, asked: Mapping[str, str]) -> Page:
            from kun_dns64.control.operations import Operations

            return await Operations(control, control.fleet, pages).changes()[path](asked)

        changes = {path: partial(change, path) for path in CHANGES}
        await control.run(stop, lambda: pages.server(changes), admin, operations)
    finally:
        notify("STOPPING=1")
