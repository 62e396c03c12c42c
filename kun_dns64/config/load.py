"""From a file and flags to a checked configuration: all faults at once, or none."""

from dataclasses import dataclass
from pathlib import Path

from kun_base.errors import ConfigError, Fault
from kun_base.tomlfile import check, read
from kun_dns64.config.crosscheck import faults_of
from kun_dns64.config.file import ConfigFile
from kun_dns64.config.flags import Flags, blame, overlay
from kun_dns64.config.resolvconf import RESOLV_CONF, read_nameservers


@dataclass(frozen=True, slots=True)
class Loaded:
    """A checked configuration, and the folder its relative paths are below."""

    file: ConfigFile
    folder: Path


def load(path: Path | None, flags: Flags = Flags(), resolv_conf: Path = RESOLV_CONF) -> Loaded:
    """Raises ConfigError with every fault. Without a file, the flags and the defaults are the configuration."""
    folder = path.parent if path else Path.cwd()
    data = overlay(read(path) if path else {}, flags)
    if not isinstance(data.get("upstream", {}), dict) or data.get("upstream", {}).get("servers"):
        named = True
    else:
        named = False
        found = [str(server) for server in read_nameservers(resolv_conf)]
        data["upstream"] = {**data.get("upstream", {}), "servers": found}
    try:
        file = check(data, ConfigFile, str(path or "command line"), lambda config: faults_of(config, folder))
    except ConfigError as error:
        faults = [blame(fault, flags) for fault in error.faults]
        raise ConfigError(error.source, faults if named else [_from_resolv_conf(f, resolv_conf) for f in faults]) from None
    if not file.upstream.servers:
        wanted = f"names no upstream, and {resolv_conf} has no nameserver; for example udp://192.0.2.53"
        raise ConfigError(str(path or "command line"), [Fault("upstream.servers", "", wanted)])
    return Loaded(file, folder)


def _from_resolv_conf(fault: Fault, resolv_conf: Path) -> Fault:
    if not fault.where.startswith("upstream.servers"):
        return fault
    return Fault(str(resolv_conf), fault.value, f"{fault.wanted}; name upstream.servers or give --upstream")
