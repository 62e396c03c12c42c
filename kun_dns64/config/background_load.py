"""Loads a configuration without holding up the queries: in a forked child, which hands the result back.

A child and not a thread, because a million suffixes are seconds of pure Python. Fork keeps the seed of hash(), by which
suffix tables find their names.
"""

import asyncio
import os
import pickle
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from kun_base.children import OWN
from kun_base.errors import ConfigError, Fault
from kun_dns64.config.flags import Flags
from kun_dns64.config.load import load
from kun_dns64.config.resolve import resolve
from kun_dns64.config.settings import Settings

LOAD_S = 120.0


@dataclass(frozen=True, slots=True)
class Source:
    """Where the configuration comes from, at start and at every reload."""

    path: Path | None
    flags: Flags

    def settings(self) -> Settings:
        """Raises ConfigError."""
        return resolve(load(self.path, self.flags))


async def load_aside(source: Source) -> Settings:
    """As `run_aside`."""
    loaded: Settings = await run_aside(str(source.path), source.settings)
    return loaded


async def run_aside(name: str, work: Callable[[], object]) -> Any:
    """What `work` gives, done in a child. `name`: of what is read, for errors.

    Raises ConfigError, also when the child ends without a result or takes too long; OSError when there is none.
    """
    reading, writing = os.pipe()
    try:
        child = os.fork()
    except OSError:
        os.close(reading)
        os.close(writing)
        raise
    if child == 0:
        os.close(reading)
        _child(work, os.fdopen(writing, "wb"))
    OWN.add(child)
    os.close(writing)
    try:
        async with asyncio.timeout(LOAD_S):
            result = await _read_all(reading)
    except TimeoutError:
        raise ConfigError(name, [Fault("file", "", f"takes longer than {LOAD_S:g} s to load")]) from None
    finally:
        _end(child)
    loaded = handed_over(result)
    if loaded is None:
        raise ConfigError(name, [Fault("file", "", "loading ended without a result (out of memory?)")])
    if isinstance(loaded, tuple):
        raise ConfigError(*loaded)
    return loaded


def handed_over(raw: bytes) -> Any:
    """What the child wrote: a result, or a tuple for ConfigError; None where it ended before it had written all."""
    try:
        return pickle.loads(raw)
    except (EOFError, pickle.UnpicklingError):
        return None


def _end(child: int) -> None:
    """It is alive only if we stopped waiting."""
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    OWN.discard(child)


def _child(work: Callable[[], object], out: BinaryIO) -> None:
    """Never returns: what the parent's loop left on the stack must not run here."""
    code = 1
    try:
        try:
            result = work()
        except ConfigError as error:
            result = (error.source, list(error.faults))
        pickle.dump(result, out, pickle.HIGHEST_PROTOCOL)
        out.close()
        code = 0
    finally:
        os._exit(code)


async def _read_all(fd: int) -> bytes:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(fd, "rb", 0))
    try:
        return await reader.read()
    finally:
        transport.close()
