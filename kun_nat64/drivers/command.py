"""Runs the machine's tools: one place for deadlines, locale, bounded output, and for what can go wrong."""

import asyncio
import contextlib
import os
import signal
import sys
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from kun_nat64.model.errors import DriverError, FailureKind

# Room for two million rows of `jool session display`.
LARGEST_OUTPUT = 256 * 1024 * 1024
LONGEST_COMPLAINT = 2000
DEADLINE_S = 5.0
# Services often have a short PATH, and these tools live in the sbin folders.
FOLDERS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Outcome:
    exit_code: int
    stdout: str
    stderr: str


class Runner(Protocol):
    """Runs argv to its end. Raises DriverError for a tool that is missing, hangs or says more than it may.

    An exit code other than 0 is an outcome, not an error: each tool has its own meanings for them.
    """

    async def run(self, *argv: str, stdin: str = "", deadline_s: float = DEADLINE_S) -> Outcome: ...


def environment() -> Mapping[str, str]:
    return {"LC_ALL": "C", "PATH": f"{os.environ.get('PATH', '')}:{FOLDERS}".strip(":"), "HOME": "/"}


def wait_without_threads() -> None:
    """Before 3.12 asyncio starts a thread for every process it waits for, unless it is told of pidfd_open(2).

    For the running loop, and those of this thread after it.
    """
    if sys.version_info >= (3, 12):
        return
    with contextlib.suppress(OSError):
        os.close(os.pidfd_open(os.getpid()))
        watcher = asyncio.PidfdChildWatcher()
        watcher.attach_loop(asyncio.get_running_loop())
        asyncio.set_child_watcher(watcher)


class ProcessRunner:
    """The real one. The child has a process group of its own, which ends with it when the deadline passes.

    `children`: process ids of the last ones, for those who see processes start and have to know ours.
    """

    def __init__(self) -> None:
        self.children: deque[int] = deque(maxlen=64)

    async def run(self, *argv: str, stdin: str = "", deadline_s: float = DEADLINE_S) -> Outcome:
        process = await _started(argv, with_input=bool(stdin))
        self.children.append(process.pid)
        try:
            async with asyncio.timeout(deadline_s):
                stdout, stderr = await _heard(process, stdin.encode())
                code = await process.wait()
        except TimeoutError:
            raise DriverError(FailureKind.TIMEOUT, argv, f"no answer within {deadline_s:g} s") from None
        except _TooMuch:
            limit = LARGEST_OUTPUT // (1024 * 1024)
            raise DriverError(FailureKind.GARBAGE, argv, f"more than {limit} MB of output") from None
        finally:
            if process.returncode is None:
                await _end(process)
        return Outcome(code, stdout.decode(errors="replace"), stderr.decode(errors="replace")[:LONGEST_COMPLAINT])


class _TooMuch(Exception):
    pass


async def _started(argv: tuple[str, ...], *, with_input: bool) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE if with_input else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment(),
            start_new_session=True,
        )
    except FileNotFoundError:
        raise DriverError(FailureKind.MISSING_TOOL, argv, f"{argv[0]} is not installed") from None
    except PermissionError as error:
        raise DriverError(FailureKind.PERMISSION, argv, str(error), error.errno) from None
    except OSError as error:
        raise DriverError(FailureKind.EXIT_CODE, argv, str(error), error.errno) from None


async def _heard(process: asyncio.subprocess.Process, given: bytes) -> tuple[bytes, bytes]:
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.TaskGroup() as group:
            stdout = group.create_task(_bounded(process.stdout))
            stderr = group.create_task(_bounded(process.stderr))
            if process.stdin is not None:
                group.create_task(_tell(process.stdin, given))
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return stdout.result(), stderr.result()


async def _bounded(stream: asyncio.StreamReader) -> bytes:
    parts, size = [], 0
    while chunk := await stream.read(65536):
        size += len(chunk)
        if size > LARGEST_OUTPUT:
            raise _TooMuch
        parts.append(chunk)
    return b"".join(parts)


async def _tell(stream: asyncio.StreamWriter, given: bytes) -> None:
    # A tool that ends without reading shows in its exit code.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        stream.write(given)
        await stream.drain()
        stream.close()


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    # Reads what is left in the pipes: they are closed when they are empty. A process in uninterruptible sleep does not
    # end: it is left to the kernel.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1.0):
            await process.communicate()


def failed(argv: tuple[str, ...], outcome: Outcome, kind: FailureKind = FailureKind.EXIT_CODE) -> DriverError:
    """The error of an outcome that its driver does not accept."""
    complaint = outcome.stderr.strip() or outcome.stdout.strip()[:LONGEST_COMPLAINT]
    if kind is FailureKind.EXIT_CODE and "ermitted" in complaint:
        kind = FailureKind.PERMISSION
    return DriverError(kind, argv, complaint, outcome.exit_code)
