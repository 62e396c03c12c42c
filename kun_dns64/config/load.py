"""From a file and flags to a checked configuration: all faults at once, or none."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kun_base.errors import ConfigError, Fault
from kun_base.tomlfile import check
from kun_base.tomltext import read
from kun_dns64.config.crosscheck import faults_of
from kun_dns64.config.domain_lists import Domains, read_domains
from kun_dns64.config.file import ConfigFile
from kun_dns64.config.file_stamp import FileStamp, stamp_of
from kun_dns64.config.flags import Flags, blame, overlay
from kun_dns64.config.resolvconf import RESOLV_CONF, read_nameservers


@dataclass(frozen=True, slots=True)
class Loaded:
    """A checked configuration, the folder its relative paths are below, and its file before it was read.

    None: flags alone. `domains`: those of all pools.
    """

    file: ConfigFile
    folder: Path
    own: FileStamp | None
    domains: Domains


NO_FLAGS = Flags()


def load(path: Path | None, flags: Flags = NO_FLAGS, resolv_conf: Path = RESOLV_CONF) -> Loaded:
    """Raises ConfigError with every fault. Without a file, the flags and the defaults are the configuration."""
    folder = path.parent if path else Path.cwd()
    source = str(path or "command line")
    own = stamp_of(path) if path else None
    data = overlay(read(path) if path else {}, flags)
    section = data.get("upstream", {})
    borrowed = isinstance(section, dict) and not section.get("servers")
    if borrowed:
        data["upstream"] = {**section, "servers": [str(server) for server in read_nameservers(resolv_conf)]}

    domains = Domains()

    def cross(config: ConfigFile) -> list[Fault]:
        nonlocal domains
        domains = read_domains(config, folder)
        return [*faults_of(config, folder), *domains.faults, *_no_upstream(config, borrowed, resolv_conf)]

    try:
        return Loaded(check(data, ConfigFile, source, cross), folder, own, domains)
    except ConfigError as error:
        faults = [blame(fault, flags) for fault in error.faults]
        raise ConfigError(source, [_borrowed(f, resolv_conf) for f in faults] if borrowed else faults) from None


def _no_upstream(config: ConfigFile, borrowed: bool, resolv_conf: Path) -> Iterator[Fault]:
    if borrowed and not config.upstream.servers:
        wanted = f"names no upstream, and {resolv_conf} has no nameserver; for example udp://192.0.2.53"
        yield Fault("upstream.servers", "", wanted)


def _borrowed(fault: Fault, resolv_conf: Path) -> Fault:
    """A fault in what resolv.conf says, told as such."""
    if not fault.where.startswith("upstream.servers["):
        return fault
    return Fault(str(resolv_conf), fault.value, f"{fault.wanted}; name upstream.servers or give --upstream")
