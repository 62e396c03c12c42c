"""Parts of a Markdown page."""

from collections.abc import Iterator


def table_head(*titles: str) -> Iterator[str]:
    yield row(*titles)
    yield "|" + "---|" * len(titles)


def row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
