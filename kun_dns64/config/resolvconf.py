"""The upstreams of a machine whose operator named none: /etc/resolv.conf."""

from ipaddress import ip_address
from pathlib import Path

from kun_dns64.config.endpoint import DNS_PORT, Endpoint, Scheme, UpstreamAddress

RESOLV_CONF = Path("/etc/resolv.conf")


def nameservers(text: str) -> list[UpstreamAddress]:
    """The `nameserver` lines of a resolv.conf(5), in order; lines that are not addresses are passed over."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) < 2 or words[0] != "nameserver":
            continue
        try:
            address = ip_address(words[1])
        except ValueError:
            continue
        found.append(UpstreamAddress(Scheme.UDP, Endpoint(address, DNS_PORT)))
    return found


def read_nameservers(path: Path = RESOLV_CONF) -> list[UpstreamAddress]:
    """Empty when there is no file; resolv.conf(5) would then mean this very machine, which may well be us."""
    try:
        return nameservers(path.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return []
