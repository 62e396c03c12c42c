"""What a compared server is: where its program comes from, and how it is started on equal terms."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Terms:
    """The same for all: one address, one upstream, so many workers, a cache that holds `entries` names."""

    folder: Path
    port: int
    upstream_port: int
    workers: int = 1
    entries: int = 50_000
    suffixes: Path | None = None


@dataclass(frozen=True, slots=True)
class Launch:
    """Files to write into the folder, then commands to start there (more than one where a worker is a process)."""

    commands: tuple[tuple[str, ...], ...]
    files: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Peer:
    """`package` is Debian's name ("" when it is not a package); `note` says how it is configured, and why.

    `resolves` is false for the echo program, which knows no names; `movable_threads` says that work wanders between
    threads, so that the busiest of two tells nothing.
    """

    key: str
    title: str
    program: str
    setup: Callable[[str, Terms], Launch]
    note: str
    package: str = ""
    version_argv: tuple[str, ...] = ("--version",)
    version_pattern: str = r"(\d+\.\d+[\w.]*)"
    resolves: bool = True
    movable_threads: bool = False


def cache_mib(entries: int) -> int:
    """A cache in MiB that holds so many names with room to spare, for servers that count bytes: 4 KiB a name."""
    return max(64, entries * 4096 >> 20)
