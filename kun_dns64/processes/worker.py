"""A worker process of the supervisor: serves on its sockets, answers the supervisor's questions, ends with it."""

import asyncio
import os
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import uvloop

from kun_base.journal import Journal
from kun_dns64.config.settings import Settings
from kun_dns64.fastpath.selection import choose_parts
from kun_dns64.processes.worker_rpc import Link
from kun_dns64.serving.server import Server
from kun_dns64.serving.worker_control import perform
from kun_dns64.transport.connections import SharedLimits
from kun_dns64.transport.death_signal import end_with
from kun_dns64.transport.sockets import Listening


@dataclass(frozen=True, slots=True)
class Post:
    """What a worker is born with."""

    settings: Settings
    sockets: tuple[Listening, ...]
    link: socket.socket
    journal: Journal
    parent: int
    shared: SharedLimits

    def fds(self) -> set[int]:
        own = {self.link.fileno()}
        for listening in self.sockets:
            own |= {sock.fileno() for sock in (listening.udp, listening.tcp) if sock is not None}
        return own


def run_worker(post: Post) -> int:
    """The child's whole life after fork, except for its end."""
    _leave_the_parents_things(post.fds())
    if not end_with(post.parent):
        return 1
    return uvloop.run(_serve(post))


def _leave_the_parents_things(keep: set[int]) -> None:
    """Descriptors are replaced, not closed: objects of the parent that still name them must not hit ours."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGINT, signal.SIGHUP):
        # A terminal sends these to the whole group; the supervisor decides.
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for fd in _open_fds() - keep - {0, 1, 2, nowhere}:
        with suppress(OSError):
            os.dup2(nowhere, fd, inheritable=False)


def _open_fds() -> set[int]:
    return {int(name) for name in os.listdir("/proc/self/fd")}


async def _serve(post: Post) -> int:
    """Told to stop it leaves its sockets; ended by a signal it leaves them to the worker that replaces it."""
    stop, ended = asyncio.Event(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    assert post.settings.cookie_secret is not None
    secrets, parts = (post.settings.cookie_secret,), choose_parts()
    server = Server(post.settings, post.sockets, post.journal, secrets, parts, post.shared)

    async def handle(name: str, arguments: Sequence[Any]) -> Any:
        return await _handled(server, stop, name, arguments)

    link = Link(post.link, handle)
    await server.start()
    linked = asyncio.create_task(link.run())
    await asyncio.sleep(0)
    waits = [asyncio.create_task(event.wait()) for event in (stop, ended)]
    await asyncio.wait([linked, *waits], return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    link.tell("leaving")
    await server.stop(for_good=not ended.is_set())
    link.close()
    linked.cancel()
    await asyncio.gather(linked, return_exceptions=True)
    return 0


async def _handled(server: Server, stop: asyncio.Event, name: str, arguments: Sequence[Any]) -> Any:
    match name:
        case "ping":
            return "pong"
        case "numbers":
            return server.snapshot()
        case "standing":
            return server.standing()
        case "explain":
            return await server.explain(*arguments)
        case "control":
            return await perform(server, arguments[0], arguments[1:])
        case "gateways":
            server.use_gateways(*arguments)
        case "clients":
            server.use_clients(*arguments)
        case "table":
            server.use_table(*arguments)
        case "change":
            return await server.change(*arguments)
        case "stop":
            stop.set()
    return None
