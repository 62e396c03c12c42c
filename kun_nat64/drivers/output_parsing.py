"""Where a tool's output is read: what makes no sense there is an error of the machine."""

from collections.abc import Iterator
from contextlib import contextmanager

from kun_nat64.formats.table import FormatError
from kun_nat64.model.errors import DriverError, FailureKind


@contextmanager
def understanding(*argv: str) -> Iterator[None]:
    """Translates a FormatError of the body into a DriverError of the command, or call, whose answer is read."""
    try:
        yield
    except FormatError as error:
        raise DriverError(FailureKind.GARBAGE, argv, str(error)) from error
