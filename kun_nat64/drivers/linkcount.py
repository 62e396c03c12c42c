"""Counters of links, read from /proc: in the namespace of this process, and without a tool."""

from pathlib import Path

from kun_nat64.model.linkcounts import LinkCounts

NET_DEV = Path("/proc/self/net/dev")


def link_counts(link: str, source: Path = NET_DEV) -> LinkCounts | None:
    """None when there is no such link, or its line cannot be read."""
    try:
        lines = source.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        name, colon, cells = line.partition(":")
        if colon and name.strip() == link:
            return _counts(cells.split())
    return None


def _counts(cells: list[str]) -> LinkCounts | None:
    """Eight columns for receiving (bytes, packets, errors, drops, ...), and as many for sending."""
    try:
        numbers = [int(cell) for cell in cells]
        packets = (numbers[1], numbers[2], numbers[3], numbers[9], numbers[10], numbers[11])
        return LinkCounts(*packets, received_bytes=numbers[0], sent_bytes=numbers[8])
    except (ValueError, IndexError):
        return None
