"""The upstreams of a machine whose operator named none: /etc/resolv.conf."""

from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

from kun_dns64.config.endpoint import UpstreamAddress

RESOLV_CONF = Path("/etc/resolv.conf")


def nameservers(text: str) -> list[UpstreamAddress]:
    """The `nameserver` lines of a resolv.conf(5), in order; what cannot be asked is passed over."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) < 2 or words[0] != "nameserver":
            continue
        with suppress(ValueError):
            found.append(UpstreamAddress.parse(f"udp://{ip_address(words[1])}"))
    return found


def read_nameservers(path: Path = RESOLV_CONF) -> list[UpstreamAddress]:
    """Empty when there is no file; resolv.conf(5) would then mean this very machine, which may well be us."""
    try:
        return nameservers(path.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return []
