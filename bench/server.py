"""A compared server, running: started, checked for the right answer, watched."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from subprocess import Popen

from bench.names import FIRST, FIRST_IPV4, synthesised
from bench.peers import Peer, Terms
from bench.process import BenchError, last_line, running
from bench.procstat import Usage, look
from bench.wire import first_address, first_answer

START_DEADLINE_S = 30.0


@dataclass(frozen=True, slots=True)
class Server:
    """`start_ms` runs from before the program's exec to its first right answer."""

    peer: Peer
    port: int
    processes: tuple["Popen[bytes]", ...]
    start_ms: float = 0.0

    def look(self) -> Usage:
        """Raises BenchError when a process of it has ended."""
        check_alive(self.processes)
        return look(process.pid for process in self.processes)

    def first_answer(self, name: str) -> bytes:
        return first_answer(self.port, name, START_DEADLINE_S, lambda: check_alive(self.processes))


def check_alive(processes: Iterable["Popen[bytes]"]) -> None:
    for process in processes:
        if process.poll() is not None:
            raise BenchError(f"it ended by itself (exit {process.returncode})")


@contextmanager
def serving(peer: Peer, program: str, terms: Terms, cores: Sequence[int]) -> Iterator[Server]:
    """The peer on these cores until the block ends. Raises BenchError, with its log's end, when it does not serve."""
    launch = peer.setup(program, terms)
    terms.folder.mkdir(parents=True)
    for name, text in launch.files.items():
        (terms.folder / name).write_text(text)
    with ExitStack() as stack:
        begun = time.perf_counter()
        processes = tuple(
            stack.enter_context(running(command, cores, terms.folder, launch.env)) for command in launch.commands
        )
        server = Server(peer, terms.port, processes)
        if peer.resolves:
            check_first_answer(server, terms.folder)
        else:
            time.sleep(0.1)
        yield replace(server, start_ms=(time.perf_counter() - begun) * 1e3)


def check_first_answer(server: Server, folder: Path) -> None:
    try:
        response = server.first_answer(FIRST)
    except BenchError as silent:
        raise BenchError(f"{silent}; its log ends: {log_end(folder)}") from silent
    expected, got = synthesised(FIRST_IPV4), first_address(response)
    if got != expected:
        raise BenchError(f"answers {got} for {FIRST}, not {expected}")


def log_end(folder: Path) -> str:
    return last_line((folder / "log").read_text(errors="replace"))[:200]
