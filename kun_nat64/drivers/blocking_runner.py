"""Runs tools without the event loop: for the dead-man's thread, whose reason is that the loop hangs.

Before Python 3.12 the watcher of child processes belongs to the loop of the agent (wait_without_threads), so that a
second loop in a thread would wait for ever.
"""

import subprocess

from kun_nat64.drivers.command import DEADLINE_S, CommandResult, Feed, environment
from kun_nat64.model.errors import DriverError, FailureKind


class BlockingRunner:
    """A Runner for short commands."""

    async def run(
        self, *argv: str, stdin: str = "", deadline_s: float = DEADLINE_S, feed: Feed | None = None
    ) -> CommandResult:
        assert feed is None, "nothing is read in pieces here"
        try:
            done = subprocess.run(  # noqa: ASYNC221 - blocking is what this is for
                argv,
                input=stdin,
                env=environment(),
                capture_output=True,
                text=True,
                errors="replace",
                timeout=deadline_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise DriverError(FailureKind.TIMEOUT, argv, f"no answer within {deadline_s:g} s") from None
        except FileNotFoundError:
            raise DriverError(FailureKind.MISSING_TOOL, argv, f"{argv[0]} is not installed") from None
        except OSError as error:
            raise DriverError(FailureKind.EXIT_CODE, argv, str(error), error.errno) from None
        return CommandResult(done.returncode, done.stdout, done.stderr)
