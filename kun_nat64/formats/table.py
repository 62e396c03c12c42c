"""Comma-separated tables with a header, as the `jool` command prints them with --csv."""

import csv
from collections.abc import Iterator, Sequence


class FormatError(ValueError):
    """A tool's output is not what it should be. Says what was found, shortened."""

    def __init__(self, wanted: str, found: str) -> None:
        shown = found if len(found) <= 120 else found[:117] + "..."
        super().__init__(f"expected {wanted}, found {shown!r}")


def rows(text: str, columns: Sequence[str]) -> Iterator[list[str | None]]:
    """The named columns of each row; None where a row is shorter than its header.

    Columns that a newer version adds are passed over. Raises FormatError when a named one is missing.
    """
    lines = csv.reader(text.splitlines(), strict=True)
    try:
        header = next(lines, [])
        if missing := [name for name in columns if name not in header]:
            raise FormatError(f"a table with the column {missing[0]!r}", text.split("\n", 1)[0])
        places = [header.index(name) for name in columns]
        for cells in lines:
            if cells:
                yield [cells[place] if place < len(cells) else None for place in places]
    except csv.Error as error:
        raise FormatError("comma-separated values", str(error)) from error
