"""Runs the machine's tools: one place for deadlines, locale, bounded output, and for what can go wrong."""

import asyncio
import contextlib
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

from kun_nat64.model.errors import DriverError, FailureKind

# Room for two million rows of `jool session display`.
LARGEST_OUTPUT = 256 * 1024 * 1024
LONGEST_COMPLAINT = 2000
DEADLINE_S = 5.0
# Services often have a short PATH, and these tools live in the sbin folders.
FOLDERS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


Feed = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class CommandResult:
    exit_code: int
    stdout: str
    stderr: str


class Runner(Protocol):
    """Runs argv to its end. Raises DriverError for a tool that is missing, hangs or says more than it may.

    An exit code other than 0 is an outcome, not an error: each tool has its own meanings for them.
    """

    async def run(
        self, *argv: str, stdin: str = "", deadline_s: float = DEADLINE_S, feed: Feed | None = None
    ) -> CommandResult:
        """`feed` is given standard output in pieces, as it comes, and it is not kept; what it raises is raised here."""


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

    `children`: process ids of the last ones, for those who see processes start and have to know ours. `stuck`: runs
    that cannot be ended, as the kernel does not let go of them, by program and process, for all runners. Such a program
    is not started again until they have ended.
    """

    stuck: ClassVar[dict[str, dict[int, "_Output"]]] = {}

    def __init__(self) -> None:
        self.children: deque[int] = deque(maxlen=64)

    async def run(
        self, *argv: str, stdin: str = "", deadline_s: float = DEADLINE_S, feed: Feed | None = None
    ) -> CommandResult:
        self._refuse_while_stuck(argv)
        transport, output = await _started(argv, feed, with_input=bool(stdin))
        self.children.append(transport.get_pid())
        try:
            async with asyncio.timeout(deadline_s):
                if stdin:
                    _tell(transport, stdin.encode())
                await output.all
        except TimeoutError:
            raise DriverError(FailureKind.TIMEOUT, argv, f"no answer within {deadline_s:g} s") from None
        except _TooMuch:
            limit = LARGEST_OUTPUT // (1024 * 1024)
            raise DriverError(FailureKind.GARBAGE, argv, f"more than {limit} MB of output") from None
        finally:
            if not output.gone.is_set():
                await _end(transport, output)
            transport.close()
            if not output.gone.is_set():
                self.stuck.setdefault(argv[0], {})[transport.get_pid()] = output
        code = transport.get_returncode()
        assert code is not None
        stdout, stderr = (b"".join(output.read[pipe]).decode(errors="replace") for pipe in (1, 2))
        return CommandResult(code, stdout, stderr[:LONGEST_COMPLAINT])

    def _refuse_while_stuck(self, argv: tuple[str, ...]) -> None:
        """Raises DriverError."""
        left = {pid: output for pid, output in self.stuck.pop(argv[0], {}).items() if not output.gone.is_set()}
        if left:
            self.stuck[argv[0]] = left
            words = f"not started: an earlier {argv[0]} cannot be ended (process {', '.join(map(str, left))})"
            raise DriverError(FailureKind.TIMEOUT, argv, words)


class _TooMuch(Exception):
    pass


class _Output(asyncio.SubprocessProtocol):
    """What a tool says, by pipe. `all`: it has ended and its pipes are closed, or _TooMuch.

    Without asyncio's streams, whose tasks and buffers cost an idle agent more than all else about a command.
    """

    def __init__(self, feed: Feed | None = None) -> None:
        self._feed = feed
        self.read: dict[int, list[bytes]] = {1: [], 2: []}
        self.all: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.gone = asyncio.Event()
        self._size = 0

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 1 and self._feed is not None:
            self._give(self._feed, data)
            return
        self._size += len(data)
        if self._size <= LARGEST_OUTPUT:
            self.read[fd].append(data)
        elif not self.all.done():
            self.all.set_exception(_TooMuch())

    def _give(self, feed: Feed, data: bytes) -> None:
        if self.all.done():
            return
        try:
            feed(data)
        except Exception as error:  # of whoever reads it, who is told in `run`
            self.all.set_exception(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set()
        if not self.all.done():
            self.all.set_result(None)


async def _started(
    argv: tuple[str, ...], feed: Feed | None, *, with_input: bool
) -> tuple[asyncio.SubprocessTransport, _Output]:
    try:
        return await asyncio.get_running_loop().subprocess_exec(
            lambda: _Output(feed),
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


def _tell(transport: asyncio.SubprocessTransport, given: bytes) -> None:
    """A tool that ends without reading shows in its exit code."""
    pipe = transport.get_pipe_transport(0)
    assert isinstance(pipe, asyncio.WriteTransport)
    pipe.write(given)
    pipe.close()


async def _end(transport: asyncio.SubprocessTransport, output: _Output) -> None:
    """With all its children. One in uninterruptible sleep does not end: it is left to the kernel."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(transport.get_pid(), signal.SIGKILL)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1.0):
            await output.gone.wait()


async def tried(runner: Runner, *argv: str) -> CommandResult | None:
    """None where it did not run to its end: for looks that must not fail."""
    try:
        return await runner.run(*argv)
    except DriverError:
        return None


def failed(argv: tuple[str, ...], outcome: CommandResult, kind: FailureKind = FailureKind.EXIT_CODE) -> DriverError:
    """The error of an outcome that its driver does not accept."""
    complaint = outcome.stderr.strip() or outcome.stdout.strip()[:LONGEST_COMPLAINT]
    if kind is FailureKind.EXIT_CODE and "ermitted" in complaint:
        kind = FailureKind.PERMISSION
    return DriverError(kind, argv, complaint, outcome.exit_code)
