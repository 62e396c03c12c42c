"""Where to listen and whom to ask: an address with its port, and an upstream's URL."""

import re
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address

DNS_PORT, TLS_PORT, HTTPS_PORT = 53, 853, 443


class NotAnAddress(ValueError):
    """A name, say, where an address is wanted."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`192.0.2.1:53` or `[2001:db8::1]:53`."""

    address: IPv4Address | IPv6Address
    port: int

    @classmethod
    def parse(cls, text: str, default_port: int | None = None) -> "Endpoint":
        """Raises ValueError with an example of what would be right. Names are not resolved: an address is wanted."""
        host, port_text = _split(text)
        try:
            address = ip_address(host)
        except ValueError:
            raise NotAnAddress("must be ADDRESS:PORT, for example 127.0.0.1:5353 or [::1]:5353") from None
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        if mapped is not None:
            raise ValueError(f"is an IPv4 address in another form: write {mapped}")
        if isinstance(address, IPv6Address) and address.is_link_local and not address.scope_id:
            # RFC 4007 section 11: without it nobody knows on which link.
            raise ValueError("a link-local address needs its interface, for example fe80::1%eth0")
        if not port_text and default_port is None:
            shown = f"[{host}]" if address.version == 6 else host
            raise ValueError(f"has no port, for example {shown}:5353")
        if not port_text:
            return cls(address, default_port or 0)
        if not (port_text.isascii() and port_text.isdigit() and int(port_text) <= 65535):
            raise ValueError(f"port {port_text!r} is not a number from 0 to 65535")
        return cls(address, int(port_text))

    @property
    def host(self) -> str:
        return str(self.address)

    @property
    def zone(self) -> str:
        """The interface of a link-local address (RFC 4007 section 11); "" where none is named."""
        return self.host.partition("%")[2]

    @property
    def bare(self) -> str:
        """The address without its zone, which means nothing to others (RFC 4007 section 6)."""
        return self.host.partition("%")[0]

    @property
    def is_wildcard(self) -> bool:
        return self.address.is_unspecified

    def covers(self, other: "Endpoint") -> bool:
        """Whether a listener here surely receives what is sent to `other`."""
        if self.port != other.port:
            return False
        if self.address == other.address:
            return True
        return self.is_wildcard and other.address.is_loopback and self.address.version == other.address.version

    def takes_from(self, other: "Endpoint") -> bool:
        """Whether both cannot be listened on by TCP: one port, and one address or a wildcard of its family."""
        if self.port != other.port or self.address.version != other.address.version:
            return False
        return self.address == other.address or self.is_wildcard or other.is_wildcard

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if self.address.version == 6 else f"{self.address}:{self.port}"


def _split(text: str) -> tuple[str, str]:
    if text.startswith("["):
        host, closed, rest = text[1:].partition("]")
        if not closed or (rest and not rest.startswith(":")):
            raise ValueError("must have brackets around the address alone, for example [::1]:5353")
        return host, rest[1:]
    if text.count(":") > 1:
        return text, ""
    host, _, port = text.partition(":")
    return host, port


class Scheme(StrEnum):
    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"
    HTTPS = "https"


DEFAULT_PORTS = {Scheme.UDP: DNS_PORT, Scheme.TCP: DNS_PORT, Scheme.TLS: TLS_PORT, Scheme.HTTPS: HTTPS_PORT}
# International names stand in a certificate in their xn-- form.
_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_HOST_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*")
EXAMPLE = "udp://192.0.2.53, tcp://[2001:db8::53]:5300, tls://192.0.2.53@dns.example, https://192.0.2.53/dns-query@dns.example"


@dataclass(frozen=True, slots=True)
class UpstreamAddress:
    """One upstream resolver. `name` is what its certificate must carry; without it, its address."""

    scheme: Scheme
    endpoint: Endpoint
    name: str = ""
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> "UpstreamAddress":
        scheme_text, separator, rest = text.partition("://")
        if not separator or scheme_text not in set(Scheme):
            raise ValueError(f"must be a URL: {EXAMPLE}")
        scheme = Scheme(scheme_text)
        rest, at, name = rest.partition("@")
        # Neither certificates nor TLS have the last dot (RFC 6066 section 3).
        name = name.removesuffix(".")
        authority, slash, path = rest.partition("/")
        if name and scheme in (Scheme.UDP, Scheme.TCP):
            raise ValueError(f"a name to verify needs tls:// or https://, not {scheme}://")
        if at and not _HOST_NAME.fullmatch(name):
            raise ValueError("must have the certificate's name after the @, for example tls://192.0.2.53@dns.example")
        if slash and scheme is not Scheme.HTTPS:
            raise ValueError(f"{scheme}:// takes no path")
        if scheme is Scheme.HTTPS and not slash:
            raise ValueError("must have the path too, for example https://192.0.2.53/dns-query@dns.example")
        try:
            endpoint = Endpoint.parse(authority, DEFAULT_PORTS[scheme])
        except NotAnAddress:
            raise ValueError(f"must have an address, not a name; for example {EXAMPLE}") from None
        if endpoint.port == 0 or endpoint.is_wildcard or endpoint.address.is_multicast:
            raise ValueError("is not an address that can be asked")
        return cls(scheme, endpoint, name, "/" + path if scheme is Scheme.HTTPS else "")

    @property
    def server_name(self) -> str:
        """What the certificate must carry."""
        return self.name or self.endpoint.bare

    @property
    def authority(self) -> str:
        """As HTTP's Host says it (RFC 9110 section 7.2): brackets around IPv6, the port where it is not 443."""
        host = f"[{self.server_name}]" if ":" in self.server_name else self.server_name
        return host if self.endpoint.port == HTTPS_PORT else f"{host}:{self.endpoint.port}"

    def __str__(self) -> str:
        default = self.endpoint.port == DEFAULT_PORTS[self.scheme]
        bare = f"[{self.endpoint.host}]" if self.endpoint.address.version == 6 else self.endpoint.host
        name = f"@{self.name}" if self.name else ""
        return f"{self.scheme}://{bare if default else self.endpoint}{self.path}{name}"
