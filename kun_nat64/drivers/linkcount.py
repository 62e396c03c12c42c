"""Packets that a link has received, read from /proc: in the namespace of this process, and without a tool."""

from pathlib import Path

NET_DEV = Path("/proc/self/net/dev")


def received_packets(link: str, source: Path = NET_DEV) -> int | None:
    """None when there is no such link. Columns after the name: octets received, packets received, ..."""
    try:
        lines = source.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        name, colon, cells = line.partition(":")
        if colon and name.strip() == link:
            return int(cells.split()[1])
    return None
