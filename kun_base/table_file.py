"""The state file: the lines of one snapshot, from begin to commit (docs/kubernetes.md, "What a consumer does")."""

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

from kun_base.table_fields import TableFault
from kun_base.table_intake import TableMark
from kun_base.table_lines import (
    FORMAT,
    MAX_LINE,
    PER_LINE,
    BeginLine,
    CommitLine,
    HeartbeatLine,
    TableLine,
    read_line,
)
from kun_base.table_records import FollowedClient, canonical
from kun_base.table_state import FollowedTable

Result = TypeVar("Result")
FILE_NAME = "table.jsonl"
MAX_BYTES = 1 << 30
# Of clients whose lines are made at once.
AT_ONCE = 2000


async def aside(work: Callable[[], Result]) -> Result:
    """Run `work` in a thread that ends with it: a supervisor forks, and must have no other for long."""
    with ThreadPoolExecutor(1) as pool:
        return await asyncio.get_running_loop().run_in_executor(pool, work)


def read_table_file(path: Path) -> list[TableLine]:
    """Read the lines of one snapshot. Raises TableFault, with the line's number where there is one, and OSError."""
    if not path.is_file():
        raise TableFault("is not a file")
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size > MAX_BYTES:
            raise TableFault(f"is larger than {MAX_BYTES} bytes")
        lines = list(_numbered(file))
    inner = any(isinstance(line, BeginLine | CommitLine | HeartbeatLine) for line in lines[1:-1])
    if len(lines) < 2 or inner or not (isinstance(lines[0], BeginLine) and isinstance(lines[-1], CommitLine)):
        raise TableFault("must have the lines of one snapshot, from begin to commit")
    return lines


def _numbered(file: Iterable[bytes]) -> Iterator[TableLine]:
    for number, line in enumerate(file, 1):
        if not line.endswith(b"\n"):
            raise TableFault(f"line {number} is cut off")
        try:
            yield read_line(line[:-1])
        except TableFault as fault:
            raise TableFault(f"line {number}: {fault}") from None


async def write_table_file(path: Path, table: FollowedTable, mark: TableMark) -> None:
    """Replace the file by one of the table as it is now, however it changes meanwhile. Raises OSError."""
    lines = table_lines(table.copy(), mark)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    path.parent.mkdir(mode=0o750, exist_ok=True)
    try:
        with new.open("w", encoding="utf-8", buffering=MAX_LINE) as file:
            os.fchmod(file.fileno(), 0o640)
            for line in lines:
                file.write(line + "\n")
                # Others have their turn between two lines, each of up to 500 clients.
                await asyncio.sleep(0)
            file.flush()
            await aside(partial(os.fsync, file.fileno()))
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def table_lines(table: FollowedTable, mark: TableMark) -> Iterator[str]:
    """Write a table as the lines of one snapshot."""
    begin = {"type": "begin", "format": FORMAT, "change": "snapshot", "from": ""}
    yield canonical({**begin, "view": mark.view or "all", "cluster": mark.cluster})
    for kind in ("pool", "gateway", "class"):
        for name, record in table.of(kind).items():
            yield f'{{"name":{canonical(name)},"type":"{kind}","value":{record.text}}}'
    clients = iter(table.clients.items())
    while chunk := list(islice(clients, AT_ONCE)):
        yield from _client_lines(chunk)
    at = datetime.fromtimestamp(int(mark.at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    commit = {"type": "commit", "version": mark.version, "revision": mark.revision}
    yield canonical({**commit, "counts": table.counts(), "at": at})


def _client_lines(clients: Iterable[tuple[str, FollowedClient]]) -> Iterator[str]:
    """Put clients of one class and namespace into one line, up to 500."""
    groups: dict[tuple[str, str], list[list[str]]] = {}
    for network, client in clients:
        groups.setdefault((client.class_name, client.namespace), []).append([network, client.name])
    for (class_name, namespace), entries in groups.items():
        for start in range(0, len(entries), PER_LINE):
            part = entries[start : start + PER_LINE]
            yield canonical({"type": "clients", "class": class_name, "namespace": namespace, "entries": part})
