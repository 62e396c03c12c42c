"""Comma-separated tables with a header, as the `jool` command prints them with --csv."""

import csv
from collections.abc import Iterator, Sequence

# Lines before the header that a tool may fill with warnings.
WARNINGS = 20


class FormatError(ValueError):
    """A tool's output is not what it should be. Says what was found, shortened."""

    def __init__(self, wanted: str, found: str) -> None:
        shown = found if len(found) <= 120 else found[:117] + "..."
        super().__init__(f"expected {wanted}, found {shown!r}")


def whole(cell: str | None, most: int) -> int:
    """A number from 0 to `most`, in plain digits. Raises ValueError, also for what int() would take: -1, 1_0, ٣."""
    text = cell or ""
    if not (text.isascii() and text.isdigit() and len(text) <= 20 and int(text) <= most):
        raise ValueError(f"{text[:40]!r} is not a number up to {most}")
    return int(text)


def rows(text: str, columns: Sequence[str]) -> Iterator[list[str | None]]:
    """The named columns of each row; None where a row is shorter than its header.

    Columns that a newer version adds are passed over, and so are warnings before the header. Raises FormatError when a
    named column is missing, and for a last line that was cut.
    """
    if text and not text.endswith("\n"):
        raise FormatError("a whole last line", text.rsplit("\n", 1)[-1])
    lines = csv.reader(text.splitlines(), strict=True)
    try:
        places = _places(lines, columns, text)
        for cells in lines:
            if cells:
                yield [cells[place] if place < len(cells) else None for place in places]
    except csv.Error as error:
        raise FormatError("comma-separated values", str(error)) from error


def _places(lines: Iterator[list[str]], columns: Sequence[str], text: str) -> list[int]:
    """Where the columns are, by the header; `lines` goes on after it."""
    missing = columns[0]
    for _, cells in zip(range(WARNINGS), lines, strict=False):
        absent = [name for name in columns if name not in cells]
        if not absent:
            return [cells.index(name) for name in columns]
        missing = absent[0] if len(absent) < len(columns) else missing
    raise FormatError(f"a table with the column {missing!r}", text.split("\n", 1)[0])
