"""The machine's errors: a tool or the kernel did not do what it was asked."""

from enum import StrEnum


class FailureKind(StrEnum):
    MISSING_TOOL = "missing-tool"
    MISSING_MODULE = "missing-module"
    PERMISSION = "permission"
    TIMEOUT = "timeout"
    EXIT_CODE = "exit-code"
    NOT_FOUND = "not-found"
    CONFLICT = "conflict"
    GARBAGE = "garbage"
    UNREACHABLE = "unreachable"


class DriverError(Exception):
    """What was tried (`argv`; for netlink the equivalent `ip` command), how it ended, and what it printed.

    `exit_code` is the process's, a negated signal number, or the errno of a system call; None: it never ended.
    """

    def __init__(
        self, kind: FailureKind, argv: tuple[str, ...], stderr: str = "", exit_code: int | None = None
    ) -> None:
        self.kind, self.argv, self.stderr, self.exit_code = kind, argv, stderr.strip(), exit_code
        code = "" if exit_code is None else f", exit code {exit_code}"
        super().__init__(f"{' '.join(argv)}: {kind}{code}" + (f": {self.stderr}" if self.stderr else ""))
