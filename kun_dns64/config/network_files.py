"""The networks of all clients, those in the file itself and those in files it names: one network a line, # comments."""

import socket
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from kun_base.config_values import parse_network
from kun_base.errors import ConfigError, Fault
from kun_base.partial import entries
from kun_dns64.config.client_source import ClientSource
from kun_dns64.config.file import ConfigFile
from kun_dns64.config.file_stamp import FileStamp, stamp_of
from kun_dns64.config.named_files import reading_faults
from kun_dns64.model.rules import ClientNetworks
from kun_dns64.policy.network_index import Entry, NetworkIndex

SHOWN_FAULTS, SHOWN_LENGTH = 20, 80
MAPPED_BITS = 96


@dataclass(frozen=True, slots=True)
class ClientMembers:
    """`stamps`: what the files were like before they were read."""

    networks: ClientNetworks
    stamps: tuple[FileStamp, ...] = ()
    faults: tuple[Fault, ...] = ()


NO_MEMBERS = ClientMembers((NetworkIndex(4), NetworkIndex(16)))


def client_sources(config: ConfigFile, folder: Path) -> tuple[ClientSource, ...]:
    """Of every `[[client]]`, in their order. `config` may be readable in part only (kun_base/partial.py)."""
    return tuple(
        ClientSource(
            f"client[{index}]",
            tuple(network for _, network in entries(getattr(client, "networks", ()))),
            tuple(folder / name for _, name in entries(getattr(client, "network_files", ()))),
        )
        for index, client in enumerate(getattr(config, "client", ()))
    )


def read_clients(sources: Iterable[ClientSource]) -> ClientMembers:
    """All networks, each with the place of its client among `sources`. With faults the networks are not to be used."""
    v4: list[Entry] = []
    v6: list[Entry] = []
    stamps: list[FileStamp] = []
    faults: list[Fault] = []
    for number, source in enumerate(sources):
        for network in source.networks:
            _add(v4, v6, network.version, int(network.network_address), network.prefixlen, number)
        for place, path in enumerate(source.files):
            stamps.append(stamp_of(path))
            found, bad = _read_file(f"{source.where}.network_files[{place}]", path)
            faults += bad
            for version, start, length in found:
                _add(v4, v6, version, start, length, number)
    return ClientMembers((NetworkIndex(4, v4), NetworkIndex(16, v6)), tuple(stamps), tuple(faults))


def members_or_faults(sources: Iterable[ClientSource]) -> ClientMembers:
    """`read_clients`. Raises ConfigError with every fault."""
    members = read_clients(sources)
    if members.faults:
        raise ConfigError("network files", list(members.faults))
    return members


def _add(v4: list[Entry], v6: list[Entry], version: int, start: int, length: int, number: int) -> None:
    """An IPv4-mapped network is one of IPv4 addresses: that is how clients are looked up."""
    if version == 4:
        v4.append((start, length, number))
    elif length >= MAPPED_BITS and start >> 32 == 0xFFFF:
        v4.append((start & 0xFFFFFFFF, length - MAPPED_BITS, number))
    else:
        v6.append((start, length, number))


def _read_file(where: str, path: Path) -> tuple[list[tuple[int, int, int]], list[Fault]]:
    """(version, first address, length) of each line."""
    faults = list(reading_faults(where, str(path), path.parent))
    if faults:
        return [], faults
    try:
        lines = path.read_bytes().removeprefix(BOM_UTF8).decode("utf-8", "replace").splitlines()
    except OSError as error:
        return [], [Fault(where, repr(str(path)), f"cannot be read: {error.strerror}")]
    found: list[tuple[int, int, int]] = []
    bad: list[str] = []
    for number, line in enumerate(lines, start=1):
        text = line.partition("#")[0].strip()
        try:
            if text:
                found.append(_parse(text))
        except ValueError as error:
            # Never as it stands: a list from elsewhere may hold what steers terminals.
            bad.append(f"line {number}: {text[:SHOWN_LENGTH]!r}: {error}")
    return found, list(_line_faults(where, path, bad))


def _line_faults(where: str, path: Path, bad: list[str]) -> Iterator[Fault]:
    for text in bad[:SHOWN_FAULTS]:
        yield Fault(where, repr(str(path)), text)
    if len(bad) > SHOWN_FAULTS:
        yield Fault(where, repr(str(path)), f"{len(bad) - SHOWN_FAULTS} more lines are wrong")


def _parse(text: str) -> tuple[int, int, int]:
    """A quarter of the time that ipaddress takes, which judges whatever is not plain. Raises ValueError."""
    address, slash, digits = text.partition("/")
    family, bits = (socket.AF_INET6, 128) if ":" in address else (socket.AF_INET, 32)
    try:
        start = int.from_bytes(socket.inet_pton(family, address))
        length = int(digits) if slash else bits
    except (OSError, ValueError):
        length = -1
    if (
        not (0 <= length <= bits)
        or start & (1 << bits - length) - 1
        or (slash and not (digits.isascii() and digits.isdigit()))
    ):
        network = parse_network(text)
        return network.version, int(network.network_address), network.prefixlen
    return 4 if bits == 32 else 6, start, length
