"""Who may use an admin listener, and for what. Pure: the request's words in, a refusal out.

Reading is for the networks in `allow`. A state changes only by the unix socket, or with the token. Host and Origin are
checked, because a browser on an allowed machine sends requests for whatever page it shows (DNS rebinding, forms).
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

Networks = tuple[IPv4Network | IPv6Network, ...]
# Loopback, and what the Internet does not route: with a listener on the loopback nobody else comes here at all.
# The last three are 10.0.0.0/8, 172.16.0.0/12 and 192.168.0.0/16 as 6to4 writes them (RFC 3056).
ALLOW = (
    "127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fe80::/10",
    "2002:a00::/24", "2002:ac10::/28", "2002:c0a8::/32",
)  # fmt: skip
SHORTEST_TOKEN = 16


@dataclass(frozen=True, slots=True)
class Access:
    """`names`: host names by which the listener may be asked, besides addresses, localhost and this host's own name.

    `token_file`: what it holds may change the state from afar; "": nobody may. `certificate` and `key`: PEM files;
    "": plain HTTP.
    """

    allow: Networks = tuple(map(ip_network, ALLOW))
    names: tuple[str, ...] = ()
    token_file: str = ""
    certificate: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """`status`: of HTTP; `words`: why, and what would help."""

    status: int
    words: str


def reading_refused(access: Access, peer: str, headers: Mapping[str, str], own_name: str) -> Refused | None:
    """Judge any request that came by the network from `peer`, an address; `own_name` is this host's."""
    if not _is_allowed(access.allow, peer):
        return Refused(403, f"{peer or 'this peer'} is in no network of [admin] allow")
    host = headers.get("Host")
    # Without one it is HTTP/1.0, which no browser speaks.
    if host is not None and not _is_ours(host, access.names, own_name):
        return Refused(
            421, f"{_named(host)!r} is not a name of this host: ask by its address, or add it to [admin] names"
        )
    return None


def changing_refused(headers: Mapping[str, str], token: str, *, encrypted: bool) -> Refused | None:
    """Judge a request that would change the state. `token` "": its file cannot be used."""
    if not token:
        return Refused(503, "[admin] token_file cannot be read, or holds no token: see check-config")
    scheme, _, given = headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), token.encode()):
        return Refused(401, "wants the token of [admin] token_file, as Authorization: Bearer TOKEN")
    origin = headers.get("Origin")
    own = f"{'https' if encrypted else 'http'}://{headers.get('Host', '')}".lower()
    if (origin is not None and origin.lower() != own) or headers.get("Sec-Fetch-Site") in ("cross-site", "same-site"):
        return Refused(403, f"the request comes from a page of {origin or 'another site'}")
    return None


def token_of(text: str) -> str:
    """Read a token from its file's text. Raises ValueError for one that can be guessed."""
    token = text.strip()
    if len(token) < SHORTEST_TOKEN or any(char.isspace() for char in token) or not token.isascii():
        raise ValueError(f"must hold one word of at least {SHORTEST_TOKEN} ASCII characters, as `openssl rand -hex 32`")
    return token


def _is_allowed(allow: Networks, peer: str) -> bool:
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in allow)


def _is_ours(host: str, names: tuple[str, ...], own_name: str) -> bool:
    name = _named(host)
    try:
        ip_address(name.partition("%")[0])
    except ValueError:
        own = {"localhost", own_name.lower(), *(one.lower().rstrip(".") for one in names)}
        return name.lower().rstrip(".") in own - {""}
    return True


def _named(host: str) -> str:
    """The name or address in a Host header, without its port and brackets; "" for what is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
