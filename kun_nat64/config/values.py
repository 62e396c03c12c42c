"""One type per kind of value in the file. Each says, when a value is wrong, what a right one looks like."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from kun_base.config_values import (
    parse_address,
    parse_http_url,
    parse_ipv4,
    parse_ipv4_network,
    parse_ipv6,
    parse_ipv6_network,
    parse_network,
    parse_path,
    text_of,
)
from kun_base.prefix import Prefix
from kun_nat64.formats.dnsprobe import question
from kun_nat64.model.speakers import OLD_SPEAKERS
from kun_nat64.model.spec import Target, TargetKind

INTERFACE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,14}")
# Words of the `ip` command: a link of that name, or of a leading part of it, cannot be addressed.
IP_KEYWORDS = ("dev", "via", "up", "down", "name", "type", "link", "address", "dynamic", "master", "group", "all")
PORTS = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")
LISTEN = re.compile(r"(?:\[([^]]+)\]|([^:]+)):([0-9]{1,5})")
LISTEN_EXPECTED = 'must be ADDRESS:PORT, for example "127.0.0.1:9465" or "[::1]:9465"'
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|[0-9A-Fa-f:.]+(%[A-Za-z0-9._-]+)?")
PARSED = (IPv4Address, IPv6Address, IPv4Network, IPv6Network)
COMMUNITY = re.compile(r"([0-9]{1,5}):([0-9]{1,5})")
# The kernel keeps settings of every interface, and of the next ones, under these names.
SETTINGS_OF_ALL = ("all", "default")


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


def parse_sysctl(value: Any) -> str:
    """As the kernel prints it: numbers with one space between them."""
    text = " ".join(text_of(value).split())
    if not (text and text.isascii() and text.isprintable()):
        raise ValueError('must be what `sysctl` prints, for example "1" or "4096 87380 16777216"')
    return text


def parse_global(value: Any) -> str | bool | int:
    if not isinstance(value, str | bool | int):
        raise ValueError("must be text in quotes, an integer, true or false")
    return value


def parse_node(value: Any) -> IPv4Address | IPv6Address | str:
    """An address, or "": the program chooses."""
    return "" if value == "" else parse_address(value)


def parse_prefix(value: Any) -> Prefix:
    """pool6 of Jool: any RFC 6052 length would do for it, but the VIP's /48 has room for the /96 that we use."""
    if isinstance(value, Prefix):
        return value
    found = Prefix.parse(text_of(value))
    if found.network.prefixlen != 96:
        raise ValueError(f"must be a /96, for example {found.network.network_address}/96")
    return found


def parse_interface(value: Any) -> str:
    name = text_of(value)
    if not INTERFACE_NAME.fullmatch(name):
        raise ValueError("must be an interface name: 1 to 15 letters, digits, '.', '_' or '-'")
    if name == "lo":
        raise ValueError("is the loopback: it leads nowhere")
    if name in SETTINGS_OF_ALL:
        raise ValueError("is a word of the kernel's settings: choose another name")
    if any(word.startswith(name) for word in IP_KEYWORDS):
        raise ValueError("is a word of the ip command: choose a longer name")
    return name


def parse_ports(value: Any) -> Ports:
    if isinstance(value, Ports):
        return value
    found = PORTS.fullmatch(text_of(value))
    if not found:
        raise ValueError('must be a range of ports, for example "20000-60000"')
    first, last = int(found[1]), int(found[2] or found[1])
    if last > 65535:
        raise ValueError("the highest port is 65535")
    if first > last:
        raise ValueError(f'the lower end comes first, did you mean "{last}-{first}"?')
    if first == 0:
        raise ValueError("port 0 is reserved; use 1-65535")
    return Ports(first, last)


def parse_community(value: Any) -> str:
    found = COMMUNITY.fullmatch(text_of(value))
    if not found or int(found[1]) > 65535 or int(found[2]) > 65535:
        raise ValueError('must be a community, two numbers up to 65535, for example "64512:100"')
    return f"{int(found[1])}:{int(found[2])}"


def parse_listen(value: Any) -> Listen:
    if isinstance(value, Listen):
        return value
    found = LISTEN.fullmatch(text_of(value))
    try:
        address = ip_address((found[1] or found[2]) if found else "")
    except ValueError:
        raise ValueError(LISTEN_EXPECTED) from None
    if not found or int(found[3]) > 65535 or (address.version == 6) != (found[1] is not None):
        raise ValueError(LISTEN_EXPECTED)
    if address.is_multicast or address == IPv4Address("255.255.255.255"):
        raise ValueError("is a group of machines: give an address of this one")
    return Listen(str(address), int(found[3]))


TARGET_EXAMPLES = '"tcp://198.51.100.80:80", "icmp://198.51.100.81" or "dns://198.51.100.53/example.net"'


def parse_target(value: Any) -> Target:
    """`tcp://IPV4:PORT`, `icmp://IPV4`, `dns://IPV4[:PORT]/NAME` (`udp://` says the same as `dns://`)."""
    if isinstance(value, Target):
        return value
    wrong = ValueError(f"must be a probe target, for example {TARGET_EXAMPLES}")
    try:
        url = urlsplit(text_of(value))
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
    expected = 'must be the URL of a gateway\'s admin port, for example "http://10.2.2.2:9465"'
    url = parse_http_url(text_of(value), expected)
    if url.query or url.fragment or "@" in url.netloc or not HOST.fullmatch(url.hostname or ""):
        raise ValueError(expected)
    return url.geturl().rstrip("/")


def parse_host_name(value: Any) -> str:
    text: str = text_of(value)
    if not HOST.fullmatch(text) or len(text) > 253:
        raise ValueError('must be a host name without a port, for example "gw1.example.net"')
    return text


def parse_speaker(value: Any) -> Any:
    """Takes the names of earlier versions for what they mean now."""
    return OLD_SPEAKERS.get(value, value) if isinstance(value, str) else value


def parse_api(value: Any) -> str:
    """Where the speaker listens: ADDRESS:PORT, or the path of a unix socket; "": its usual place."""
    text = text_of(value)
    if not text:
        return ""
    if text.startswith(("unix://", "/")):
        return "unix://" + parse_path(text.removeprefix("unix://"))
    where = parse_listen(text)
    if where.port == 0:
        raise ValueError("port 0 is reserved; gobgpd listens on 50051")
    return str(where)


def _of(parse: Callable[[str], object]) -> Callable[[Any], object]:
    """For text; a value that is parsed already, such as a default, stays."""
    return lambda value: value if isinstance(value, PARSED) else parse(text_of(value))


def _kind(parse: Callable[[Any], object], example: str) -> tuple[object, ...]:
    return (
        BeforeValidator(parse),
        PlainSerializer(str),
        WithJsonSchema({"type": "string", "examples": [example]}),
    )


Ipv4 = Annotated[IPv4Address, *_kind(_of(parse_ipv4), "203.0.113.1")]
Ipv6 = Annotated[IPv6Address, *_kind(_of(parse_ipv6), "fd00:11::2")]
AnyAddress = Annotated[IPv4Address | IPv6Address, *_kind(_of(parse_address), "10.2.1.1")]
Network4 = Annotated[IPv4Network, *_kind(_of(parse_ipv4_network), "10.0.0.0/8")]
Network6 = Annotated[IPv6Network, *_kind(_of(parse_ipv6_network), "2002::/16")]
Node = Annotated[IPv4Address | IPv6Address | Literal[""], *_kind(_of(parse_node), "10.1.0.2")]
AnyNetwork = Annotated[IPv4Network | IPv6Network, *_kind(_of(parse_network), "2002:cb00:7101::/48")]
Pool6 = Annotated[Prefix, *_kind(parse_prefix, "2002:cb00:7101::/96")]
Interface = Annotated[str, *_kind(parse_interface, "eth1")]
PortRange = Annotated[Ports, *_kind(parse_ports, "20000-60000")]
Community = Annotated[str, *_kind(parse_community, "64512:100")]
ListenAt = Annotated[Listen, *_kind(parse_listen, "127.0.0.1:9465")]
ProbeTarget = Annotated[Target, *_kind(parse_target, "tcp://198.51.100.80:80")]
Member = Annotated[str, *_kind(parse_member, "http://10.2.2.2:9465")]
HostName = Annotated[str, *_kind(parse_host_name, "gw1.example.net")]
SpeakerName = Annotated[Literal["gobgp", "frr", "bird"], BeforeValidator(parse_speaker)]
SpeakerApi = Annotated[str, *_kind(parse_api, "unix:///run/gobgpd/api.sock")]
Place = Annotated[str, *_kind(_of(parse_path), "/var/log/kun-nat64/sessions.jsonl")]
SysctlValue = Annotated[str, *_kind(parse_sysctl, "1")]
GlobalValue = Annotated[str | bool | int, BeforeValidator(parse_global)]
