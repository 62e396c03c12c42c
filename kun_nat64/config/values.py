"""One type per kind of value in the file. Each says, when a value is wrong, what a right one looks like."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from kun_base.prefix import Prefix
from kun_nat64.formats.dnsprobe import question
from kun_nat64.model.spec import Target, TargetKind

INTERFACE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,14}")
# Words of the `ip` command: a link of that name, or of a leading part of it, cannot be addressed.
IP_KEYWORDS = ("dev", "via", "up", "down", "name", "type", "link", "address", "dynamic", "master", "group", "all")
PORTS = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|[0-9A-Fa-f:.]+(%[A-Za-z0-9._-]+)?")
COMMUNITY = re.compile(r"(\d{1,5}):(\d{1,5})")


@dataclass(frozen=True, slots=True)
class Ports:
    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


@dataclass(frozen=True, slots=True)
class Listen:
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a text in quotes")
    return value.strip()


def parse_place(value: Any) -> str:
    """A path, or "". No system call takes a NUL, and a line of a log is one line."""
    text = _text(value)
    if not text.isprintable():
        raise ValueError("must not have control characters in it")
    return text


def parse_sysctl(value: Any) -> str:
    """As the kernel prints it: numbers with one space between them."""
    text = " ".join(_text(value).split())
    if not (text and text.isascii() and text.isprintable()):
        raise ValueError('must be what `sysctl` prints, for example "1" or "4096 87380 16777216"')
    return text


def parse_global(value: Any) -> str | bool | int:
    if not isinstance(value, str | bool | int):
        raise ValueError("must be a text in quotes, a whole number, true or false")
    return value


def parse_ipv4(value: Any) -> IPv4Address:
    if isinstance(value, IPv4Address):
        return value
    try:
        return IPv4Address(_text(value))
    except ValueError:
        raise ValueError('must be an IPv4 address, for example "203.0.113.1"') from None


def parse_ipv6(value: Any) -> IPv6Address:
    if isinstance(value, IPv6Address):
        return value
    try:
        return IPv6Address(_text(value))
    except ValueError:
        raise ValueError('must be an IPv6 address, for example "fd00:11::2"') from None


def parse_address(value: Any) -> IPv4Address | IPv6Address:
    if isinstance(value, IPv4Address | IPv6Address):
        return value
    try:
        return ip_address(_text(value))
    except ValueError:
        raise ValueError('must be an IP address, for example "10.2.1.1"') from None


def _network(value: str, version: type[IPv4Network] | type[IPv6Network], example: str) -> IPv4Network | IPv6Network:
    try:
        return version(value)
    except ValueError as error:
        if "host bits" in str(error):
            raise ValueError(f"has host bits set, did you mean {version(value, strict=False)}?") from None
        raise ValueError(f'must be a network with its length, for example "{example}"') from None


def parse_network4(value: Any) -> IPv4Network:
    found = value if isinstance(value, IPv4Network) else _network(_text(value), IPv4Network, "10.0.0.0/8")
    assert isinstance(found, IPv4Network)
    return found


def parse_network6(value: Any) -> IPv6Network:
    found = value if isinstance(value, IPv6Network) else _network(_text(value), IPv6Network, "2002::/16")
    assert isinstance(found, IPv6Network)
    return found


def parse_network(value: Any) -> IPv4Network | IPv6Network:
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    return parse_network6(value) if ":" in _text(value) else parse_network4(value)


def parse_node(value: Any) -> IPv4Address | IPv6Address | str:
    """ "": the program chooses."""
    return "" if value == "" else parse_address(value)


def parse_prefix(value: Any) -> Prefix:
    """pool6 of Jool: any RFC 6052 length would do for it, but the VIP's /48 has room for the /96 that we use."""
    if isinstance(value, Prefix):
        return value
    found = Prefix.parse(_text(value))
    if found.network.prefixlen != 96:
        raise ValueError(f"must be a /96, for example {found.network.network_address}/96")
    return found


def parse_interface(value: Any) -> str:
    name = _text(value)
    if not INTERFACE_NAME.fullmatch(name):
        raise ValueError("must be an interface name: 1 to 15 letters, digits, '.', '_' or '-'")
    if name == "lo":
        raise ValueError("is the loopback: it leads nowhere")
    if any(word.startswith(name) for word in IP_KEYWORDS):
        raise ValueError("is a word of the ip command: choose a longer name")
    return name


def parse_ports(value: Any) -> Ports:
    if isinstance(value, Ports):
        return value
    found = PORTS.fullmatch(_text(value))
    if not found:
        raise ValueError('must be a range of ports, for example "20000-60000"')
    first, last = int(found[1]), int(found[2] or found[1])
    if last > 65535:
        raise ValueError("the highest port is 65535")
    if first > last:
        raise ValueError(f'the lower end comes first, did you mean "{last}-{first}"?')
    if first == 0:
        raise ValueError("port 0 is nobody's: start at 1 or above")
    return Ports(first, last)


def parse_community(value: Any) -> str:
    found = COMMUNITY.fullmatch(_text(value))
    if not found or int(found[1]) > 65535 or int(found[2]) > 65535:
        raise ValueError('must be a community, two numbers up to 65535, for example "64512:100"')
    return f"{int(found[1])}:{int(found[2])}"


def parse_listen(value: Any) -> Listen:
    if isinstance(value, Listen):
        return value
    host, colon, port = _text(value).rpartition(":")
    try:
        address = ip_address(host.strip("[]"))
        number = int(port)
    except ValueError:
        raise ValueError('must be ADDRESS:PORT, for example "127.0.0.1:9465" or "[::1]:9465"') from None
    if not colon or not 0 <= number <= 65535 or (address.version == 6) != host.startswith("["):
        raise ValueError('must be ADDRESS:PORT, for example "127.0.0.1:9465" or "[::1]:9465"')
    return Listen(str(address), number)


TARGET_EXAMPLES = '"tcp://198.51.100.80:80", "icmp://198.51.100.81" or "dns://198.51.100.53/example.net"'


def parse_target(value: Any) -> Target:
    """`tcp://IPV4:PORT`, `icmp://IPV4`, `dns://IPV4[:PORT]/NAME` (`udp://` says the same as `dns://`)."""
    if isinstance(value, Target):
        return value
    wrong = ValueError(f"must be a probe target, for example {TARGET_EXAMPLES}")
    try:
        url = urlsplit(_text(value))
        address, port = IPv4Address(url.hostname or ""), url.port
        name = url.path.strip("/")
        question(0, name)
    except ValueError:
        raise wrong from None
    if url.query or url.fragment or "@" in url.netloc:
        raise wrong
    match url.scheme:
        case "tcp" if port and not name:
            return Target(TargetKind.TCP, address, port)
        case "icmp" if port is None and not name:
            return Target(TargetKind.ICMP, address)
        case "dns" | "udp" if name:
            return Target(TargetKind.DNS, address, port or 53, name)
        case _:
            raise wrong


def parse_member(value: Any) -> str:
    wrong = ValueError('must be the URL of a gateway\'s admin port, for example "http://10.2.2.2:9465"')
    try:
        url = urlsplit(_text(value))
        host, port = url.hostname, url.port
    except ValueError:
        raise wrong from None
    odd = url.query or url.fragment or "@" in url.netloc or not HOST.fullmatch(host or "")
    if url.scheme not in ("http", "https") or odd or port == 0:
        raise wrong
    return url.geturl().rstrip("/")


def parse_api(value: Any) -> str:
    """Where the speaker listens: ADDRESS:PORT, or the path of a unix socket."""
    text = _text(value)
    if text.startswith(("unix://", "/")):
        return "unix://" + parse_place(text.removeprefix("unix://"))
    where = parse_listen(text)
    if where.port == 0:
        raise ValueError("port 0 is nobody's: gobgpd listens on 50051")
    return str(where)


def _kind(parse: Callable[[Any], object], example: str) -> tuple[object, ...]:
    return (
        BeforeValidator(parse),
        PlainSerializer(str),
        WithJsonSchema({"type": "string", "examples": [example]}),
    )


Ipv4 = Annotated[IPv4Address, *_kind(parse_ipv4, "203.0.113.1")]
Ipv6 = Annotated[IPv6Address, *_kind(parse_ipv6, "fd00:11::2")]
AnyAddress = Annotated[IPv4Address | IPv6Address, *_kind(parse_address, "10.2.1.1")]
Node = Annotated[IPv4Address | IPv6Address | Literal[""], *_kind(parse_node, "10.1.0.2")]
Network4 = Annotated[IPv4Network, *_kind(parse_network4, "10.0.0.0/8")]
Network6 = Annotated[IPv6Network, *_kind(parse_network6, "2002::/16")]
AnyNetwork = Annotated[IPv4Network | IPv6Network, *_kind(parse_network, "2002:cb00:7101::/48")]
Pool6 = Annotated[Prefix, *_kind(parse_prefix, "2002:cb00:7101::/96")]
Interface = Annotated[str, *_kind(parse_interface, "eth1")]
PortRange = Annotated[Ports, *_kind(parse_ports, "20000-60000")]
Community = Annotated[str, *_kind(parse_community, "64512:100")]
ListenAt = Annotated[Listen, *_kind(parse_listen, "127.0.0.1:9465")]
ProbeTarget = Annotated[Target, *_kind(parse_target, "tcp://198.51.100.80:80")]
Member = Annotated[str, *_kind(parse_member, "http://10.2.2.2:9465")]
SpeakerApi = Annotated[str, *_kind(parse_api, "unix:///run/gobgpd/api.sock")]
Place = Annotated[str, *_kind(parse_place, "/var/log/kun-nat64/sessions.jsonl")]
SysctlValue = Annotated[str, *_kind(parse_sysctl, "1")]
GlobalValue = Annotated[str | bool | int, BeforeValidator(parse_global)]
