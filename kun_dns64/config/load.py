"""From a file and flags to a checked configuration: all faults at once, or none."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kun_base.errors import ConfigError, Fault
from kun_base.partial import as_far_as_readable
from kun_base.tomlfile import check
from kun_base.tomltext import Document, read_document
from kun_dns64.config.crosscheck import faults_of
from kun_dns64.config.domain_lists import Domains, read_domains
from kun_dns64.config.file import ConfigFile
from kun_dns64.config.file_stamp import FileStamp, stamp_of
from kun_dns64.config.flags import Flags, blame, overlay
from kun_dns64.config.network_files import NO_MEMBERS, ClientMembers, client_sources, read_clients
from kun_dns64.config.resolvconf import Borrowed, borrow


@dataclass(frozen=True, slots=True)
class Loaded:
    """A checked configuration, the folder its relative paths are below, and its file before it was read.

    None: flags alone. `domains`: those of all pools. `members`: the networks of all clients. `borrowed`: the upstreams
    of resolv.conf, where none are named.
    """

    file: ConfigFile
    folder: Path
    own: FileStamp | None
    domains: Domains
    members: ClientMembers
    borrowed: Borrowed | None = None
    # What the file says, flags laid over it, as TOML has it.
    written: Mapping[str, Any] = field(default_factory=dict)


NO_FLAGS = Flags()


def load(path: Path | None, flags: Flags = NO_FLAGS) -> Loaded:
    """Raises ConfigError with every fault. Without a file, the flags and the defaults are the configuration."""
    folder = path.parent if path else Path.cwd()
    own = stamp_of(path) if path else None
    document = read_document(path) if path else Document("command line", "", {})
    data = overlay(document.data, flags)
    domains, members = Domains(), NO_MEMBERS

    def cross(config: ConfigFile) -> list[Fault]:
        nonlocal domains, members
        domains, members = read_domains(config, folder), read_clients(client_sources(config, folder))
        found = [*faults_of(config, folder), *domains.faults, *members.faults]
        return [*found, *as_far_as_readable(_no_upstream(config))]

    try:
        file = check(replace(document, data=data), ConfigFile, cross)
    except ConfigError as error:
        raise ConfigError(document.source, [blame(fault, flags) for fault in error.faults]) from None
    upstream, borrowed = file.upstream, None
    if not upstream.servers:
        borrowed = borrow(folder / upstream.resolv_conf, file.server.listen)
    return Loaded(file, folder, own, domains, members, borrowed, data)


def _no_upstream(config: ConfigFile) -> Iterator[Fault]:
    if not config.upstream.servers and not config.upstream.resolv_conf:
        wanted = "is empty, and so is upstream.resolv_conf: name an upstream, for example udp://192.0.2.53"
        yield Fault("upstream.servers", "[]", wanted)
