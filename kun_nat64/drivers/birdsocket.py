"""BIRD's control socket, spoken directly: starting `birdc` for every look costs far more."""

import asyncio
import contextlib

from kun_nat64.drivers.output_parsing import understanding
from kun_nat64.formats.birdreply import BirdAnswer, is_last, read_answer
from kun_nat64.model.errors import DriverError, FailureKind

LARGEST_ANSWER = 16 * 1024 * 1024


class BirdSocket:
    """A connection of its own for each question or two: BIRD takes them at no cost, and none is ever stale."""

    def __init__(self, path: str) -> None:
        self._path = path

    async def ask(self, *commands: str, deadline_s: float) -> list[BirdAnswer]:
        """One answer each; an answer that is a failure is one, too. Raises DriverError."""
        argv = ("birdc", "-s", self._path, *commands)
        try:
            async with asyncio.timeout(deadline_s):
                return await self._exchange(commands, argv)
        except TimeoutError:
            raise DriverError(FailureKind.TIMEOUT, argv, f"no answer within {deadline_s:g} s") from None
        except PermissionError as error:
            raise DriverError(FailureKind.PERMISSION, argv, str(error), error.errno) from None
        except (OSError, EOFError) as error:
            words = getattr(error, "strerror", None) or "it hung up"
            raise DriverError(FailureKind.UNREACHABLE, argv, words, getattr(error, "errno", None)) from None

    async def _exchange(self, commands: tuple[str, ...], argv: tuple[str, ...]) -> list[BirdAnswer]:
        reader, writer = await asyncio.open_unix_connection(self._path, limit=LARGEST_ANSWER)
        try:
            await _answer(reader, argv)  # the greeting
            found = []
            for command in commands:
                writer.write(f"{command}\n".encode())
                await writer.drain()
                found.append(await _answer(reader, argv))
            return found
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def _answer(reader: asyncio.StreamReader, argv: tuple[str, ...]) -> BirdAnswer:
    lines: list[str] = []
    size = 0
    while not (lines and is_last(lines[-1])):
        try:
            line = await reader.readline()
        except ValueError:
            line = b"x" * (LARGEST_ANSWER + 1)
        if not line.endswith(b"\n") and len(line) <= LARGEST_ANSWER:
            raise EOFError
        size += len(line)
        if size > LARGEST_ANSWER:
            raise DriverError(FailureKind.GARBAGE, argv, f"more than {LARGEST_ANSWER // 2**20} MB of answer")
        lines.append(line.decode(errors="replace").rstrip("\n"))
    with understanding(*argv):
        return read_answer(lines)
