"""A runner that answers from a script, and remembers what it was asked."""

from dataclasses import dataclass, field

from kun_nat64.drivers.command import DEADLINE_S, CommandResult, Feed
from kun_nat64.model.errors import DriverError, FailureKind


@dataclass
class ScriptedRunner:
    """`answers`: words of a command line, in order and possibly with others between, to its outcome. First match."""

    answers: dict[str, CommandResult | DriverError] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    given: list[str] = field(default_factory=list)

    async def run(
        self, *argv: str, stdin: str = "", deadline_s: float = DEADLINE_S, feed: Feed | None = None
    ) -> CommandResult:
        line = " ".join(argv)
        self.asked.append(line)
        self.given.append(stdin)
        for words, answer in self.answers.items():
            if words in line:
                if isinstance(answer, DriverError):
                    raise answer
                if feed is not None and answer.stdout:
                    feed(answer.stdout.encode())
                return answer
        return CommandResult(0, "", "")


def said(stdout: str) -> CommandResult:
    return CommandResult(0, stdout, "")


def hung(*argv: str) -> DriverError:
    return DriverError(FailureKind.TIMEOUT, argv, "no answer within 5 s")
