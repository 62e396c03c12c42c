"""The domains of all pools, those in the file itself and those in files it names: read once, checked in the same go."""

import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from kun_base.errors import Fault
from kun_base.partial import entries
from kun_dns64.config.file import ConfigFile, PoolSection
from kun_dns64.config.file_stamp import FileStamp, stamp_of
from kun_dns64.config.named_files import reading_faults
from kun_dns64.model.rules import SuffixTable
from kun_dns64.policy.suffix import build_suffix_set

BLOCK_BYTES = 1 << 20
_ESCAPED = re.compile(r"\\(\D)", re.DOTALL)


class Domains(NamedTuple):
    """`table`: None without domains, and with faults. `looks`: what the files were like before they were read.

    `faults`: every file that cannot be read, and of the others the first twenty lines that are no names. Domains in the
    configuration itself have theirs from crosscheck.py.
    """

    table: SuffixTable | None = None
    looks: tuple[FileStamp, ...] = ()
    faults: tuple[Fault, ...] = ()


def read_domains(config: ConfigFile, folder: Path) -> Domains:
    """Names of files are below `folder`. `config` may be readable in part only (kun_base/partial.py)."""
    files = list(_files(config))
    looks = tuple(stamp_of(folder / name) for _, name in files)
    unreadable = {where: list(reading_faults(where, name, folder)) for where, name in files}
    faults = [fault for found in unreadable.values() for fault in found]
    try:
        if not faults:
            table, bad = build_suffix_set(_lists(config, folder))
            if not bad:
                return Domains(table if len(table) else None, looks)
        faults += [f for where, name in files if not unreadable[where] for f in _line_faults(where, name, folder)]
    except OSError as error:
        # It went away since it was looked at.
        faults.append(Fault("pool", repr(error.filename), f"cannot be read: {error.strerror}"))
    return Domains(None, looks, tuple(faults))


def _files(config: ConfigFile) -> Iterator[tuple[str, str]]:
    """Key and name of each domain file."""
    for index, pool in entries(getattr(config, "pool", ())):
        for place, name in entries(getattr(pool, "domain_files", ())):
            yield f"pool[{index}].domain_files[{place}]", name


def _lists(config: ConfigFile, folder: Path) -> dict[str, Iterable[bytes]]:
    """Blocks of lines for each pool that can be read; without the others there is no table, but lines can be judged."""
    found: dict[str, Iterable[bytes]] = {}
    for _, pool in entries(getattr(config, "pool", ())):
        with suppress(AttributeError):
            found[pool.name] = _blocks(pool, folder)
    return found


def _blocks(pool: PoolSection, folder: Path) -> Iterator[bytes]:
    domains = "".join(f"{_as_line(domain)}\n" for _, domain in entries(pool.domains)).encode()
    return chain([domains], *(read_blocks(folder / name) for _, name in entries(pool.domain_files)))


def _as_line(domain: str) -> str:
    """With every escape as \\DDD: a blank, a # or a line's end means something else in a list than in a key."""
    return _ESCAPED.sub(lambda found: f"\\{ord(found[1]):03d}", domain)


def _line_faults(where: str, name: str, folder: Path) -> list[Fault]:
    _, found = build_suffix_set({name: read_blocks(folder / name)})
    return [Fault(where, repr(name), str(fault)) for fault in found]


def read_blocks(path: Path) -> Iterator[bytes]:
    """The file in blocks of whole lines. Raises OSError."""
    with path.open("rb") as stream:
        if stream.read(len(BOM_UTF8)) != BOM_UTF8:
            stream.seek(0)
        while block := stream.read(BLOCK_BYTES):
            yield block + stream.readline()
