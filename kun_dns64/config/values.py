"""The kinds of values in the file, as pydantic types: parsed once, printed back as they are written."""

import difflib
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from kun_base.prefix import Prefix
from kun_dns64.config.endpoint import Endpoint, UpstreamAddress
from kun_dns64.formats.names import from_text
from kun_dns64.model.special import SpecialName

MAX_CHARACTER_STRING = 255


def _text(parse: Callable[[str], Any]) -> PlainValidator:
    def validate(value: object) -> Any:
        if not isinstance(value, str):
            raise ValueError(f"wants text in quotes, not {type(value).__name__}")
        return parse(value)

    return PlainValidator(validate)


def _kind(parse: Callable[[str], Any], *examples: str) -> tuple[Any, Any, Any]:
    schema = WithJsonSchema({"type": "string", "examples": list(examples)})
    return _text(parse), PlainSerializer(lambda value: "" if value is None else str(value), return_type=str), schema


def parse_network(text: str) -> IPv4Network | IPv6Network:
    """An address range; a bare address is a range of one. Raises ValueError, also for host bits."""
    try:
        return ip_network(text)
    except ValueError:
        pass
    try:
        loose = ip_network(text, strict=False)
    except ValueError:
        raise ValueError("is not a network, for example 10.0.0.0/8 or 2001:db8::/32") from None
    raise ValueError(f"has host bits set; the network is {loose}")


def parse_ipv4_network(text: str) -> IPv4Network:
    network = parse_network(text)
    if not isinstance(network, IPv4Network):
        raise ValueError("wants an IPv4 network, for example 10.0.0.0/8")
    return network


def parse_ipv6_network(text: str) -> IPv6Network:
    network = parse_network(text)
    if not isinstance(network, IPv6Network):
        raise ValueError("wants an IPv6 network, for example 2001:db8::/32")
    return network


def parse_vip(text: str) -> IPv4Address | None:
    if not text:
        return None
    try:
        return IPv4Address(text)
    except ValueError:
        raise ValueError("wants the IPv4 address that the gateways announce, for example 203.0.113.1") from None


def parse_prefix(text: str) -> Prefix:
    try:
        network = parse_network(text)
    except ValueError as error:
        raise ValueError(f"{text}: {error}; wants a NAT64 prefix, for example 2002:cb00:7101::/96") from None
    if not isinstance(network, IPv6Network):
        raise ValueError(f"{text}: wants an IPv6 prefix, for example 2002:cb00:7101::/96")
    return Prefix.parse(text)


def parse_map_prefix(text: str) -> Prefix | Literal["6to4"] | None:
    if text == "6to4":
        return "6to4"
    return None if text == "none" else parse_prefix(text)


def parse_cookie_secret(text: str) -> bytes:
    """The content of a cookie secret file: 16 octets in hex (RFC 9018 section 4.2)."""
    try:
        secret = bytes.fromhex(text.strip())
    except ValueError:
        secret = b""
    if len(secret) != 16:
        raise ValueError("wants 16 octets in hex, for example from: openssl rand -hex 16")
    return secret


def parse_domain_name(text: str) -> str:
    if not text:
        raise ValueError("is empty; wants a domain name, for example ns.example.org")
    from_text(text)
    return text


def parse_special_name(text: str) -> SpecialName:
    try:
        return SpecialName(text)
    except ValueError:
        close = difflib.get_close_matches(text, list(SpecialName), n=1, cutoff=0.5)
        hint = f"did you mean {close[0]!r}?" if close else f"wants some of {', '.join(SpecialName)}"
        raise ValueError(f"is no special-use name that can be answered here; {hint}") from None


def parse_chaos_text(text: str) -> str:
    """One character-string of a TXT record (RFC 1035 section 3.3)."""
    if len(text.encode()) > MAX_CHARACTER_STRING or not text.isprintable():
        raise ValueError(f"wants at most {MAX_CHARACTER_STRING} bytes without control characters, for example dns-1")
    return text


def parse_offered_name(text: str) -> str:
    return parse_domain_name(text) if text else text


def parse_mail_name(text: str) -> str:
    if not text:
        raise ValueError("is empty; wants a mail address, for example hostmaster@example.org")
    mail_name(text)
    return text


def mail_name(text: str) -> bytes:
    """A mailbox as SOA has it: its first label is what stands before the @ (RFC 1035 section 8). Raises ValueError."""
    local, at, domain = text.rpartition("@")
    if (at and not (local and domain)) or "@" in local or any(char.isspace() for char in text):
        raise ValueError("is no mail address; wants for example hostmaster@example.org")
    return from_text(local.replace(".", "\\.") + "." + domain if at else text)


def parse_place(text: str) -> str:
    """A path, or "". No system call takes a NUL, and a line of a log is one line."""
    if not text.isprintable():
        raise ValueError("must not have control characters in it")
    return text


def parse_status_url(text: str) -> str:
    try:
        url = urlsplit(text)
        good = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        good = False
    if not good or any(char.isspace() for char in text):
        raise ValueError("wants a URL, for example http://10.2.1.2:9465/readyz")
    return text


Listen = Annotated[Endpoint, *_kind(Endpoint.parse, "127.0.0.1:5353", "[::1]:5353")]
OptionalListen = Annotated[
    Endpoint | None, *_kind(lambda text: Endpoint.parse(text) if text else None, "127.0.0.1:9464", "")
]
Upstream = Annotated[
    UpstreamAddress, *_kind(UpstreamAddress.parse, "udp://127.0.0.1:5300", "tls://192.0.2.53@dns.example")
]
Network = Annotated[IPv4Network | IPv6Network, *_kind(parse_network, "10.0.0.0/8", "2001:db8::/32")]
Network4 = Annotated[IPv4Network, *_kind(parse_ipv4_network, "10.0.0.0/8")]
Network6 = Annotated[IPv6Network, *_kind(parse_ipv6_network, "::ffff:0:0/96")]
Vip = Annotated[IPv4Address | None, *_kind(parse_vip, "203.0.113.1")]
Nat64Prefix = Annotated[Prefix, *_kind(parse_prefix, "2002:cb00:7101::/96")]
MapPrefix = Annotated[
    Prefix | Literal["6to4"] | None,
    _text(parse_map_prefix),
    PlainSerializer(lambda value: "none" if value is None else str(value), return_type=str),
    WithJsonSchema({"type": "string", "examples": ["2001:db8:64::/96", "6to4", "none"]}),
]
DomainName = Annotated[str, *_kind(parse_domain_name, "ns.example.org")]
OfferedName = Annotated[str, *_kind(parse_offered_name, "dns.example.org", "")]
Special = Annotated[SpecialName, *_kind(parse_special_name, "localhost", "onion")]
ChaosText = Annotated[str, *_kind(parse_chaos_text, "dns-1", "{host}", "")]
MailName = Annotated[str, *_kind(parse_mail_name, "hostmaster@example.org")]
StatusUrl = Annotated[str, *_kind(parse_status_url, "http://10.2.1.2:9465/readyz")]
Place = Annotated[str, *_kind(parse_place, "/etc/kun/overseas.txt")]
