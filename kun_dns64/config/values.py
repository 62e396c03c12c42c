"""The kinds of values in the file, as pydantic types: parsed once, printed back as they are written."""

import difflib
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from typing import Annotated, Any, Literal

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from kun_base.config_values import (
    parse_http_url,
    parse_ipv4,
    parse_ipv4_network,
    parse_ipv6_network,
    parse_network,
    parse_path,
    text_of,
)
from kun_base.prefix import Prefix
from kun_dns64.config.endpoint import Endpoint, UpstreamAddress
from kun_dns64.formats.names import from_text
from kun_dns64.model.special import SpecialName

MAX_CHARACTER_STRING = 255


def _text(parse: Callable[[str], Any]) -> PlainValidator:
    def validate(value: Any) -> Any:
        text_of(value)
        return parse(value)

    return PlainValidator(validate)


def _kind(parse: Callable[[str], Any], *examples: str) -> tuple[Any, Any, Any]:
    schema = WithJsonSchema({"type": "string", "examples": list(examples)})
    return _text(parse), PlainSerializer(lambda value: "" if value is None else str(value), return_type=str), schema


def parse_vip(text: str) -> IPv4Address | None:
    if not text:
        return None
    return parse_ipv4(text)


def parse_prefix(text: str) -> Prefix:
    try:
        network = parse_network(text)
    except ValueError as error:
        raise ValueError(f"{text}: {error}; must be a NAT64 prefix, for example 2002:cb00:7101::/96") from None
    if not isinstance(network, IPv6Network):
        raise ValueError(f"{text}: must be an IPv6 prefix, for example 2002:cb00:7101::/96")
    return Prefix.parse(text)


def parse_map_prefix(text: str) -> Prefix | Literal["6to4"] | None:
    if text == "6to4":
        return "6to4"
    return None if text == "none" else parse_prefix(text)


def parse_cookie_secret(text: str) -> bytes:
    """The content of a cookie secret file: 16 bytes in hex (RFC 9018 section 4.2)."""
    try:
        secret = bytes.fromhex(text.strip())
    except ValueError:
        secret = b""
    if len(secret) != 16:
        raise ValueError("must be 16 bytes in hex, for example from: openssl rand -hex 16")
    return secret


def parse_domain_name(text: str) -> str:
    if not text:
        raise ValueError("is empty; must be a domain name, for example ns.example.org")
    from_text(text)
    return text


def parse_special_name(text: str) -> SpecialName:
    try:
        return SpecialName(text)
    except ValueError:
        close = difflib.get_close_matches(text, list(SpecialName), n=1, cutoff=0.5)
        hint = f"did you mean {close[0]!r}?" if close else f"must be some of {', '.join(SpecialName)}"
        raise ValueError(f"is not a special-use name that kun-dns64 answers; {hint}") from None


def parse_chaos_text(text: str) -> str:
    """One character-string of a TXT record (RFC 1035 section 3.3)."""
    if len(text.encode()) > MAX_CHARACTER_STRING or not text.isprintable():
        raise ValueError(f"must be at most {MAX_CHARACTER_STRING} bytes, without control characters, for example dns-1")
    return text


def parse_offered_name(text: str) -> str:
    return parse_domain_name(text) if text else text


def parse_mail_name(text: str) -> str:
    if not text:
        raise ValueError("is empty; must be a mail address, for example hostmaster@example.org")
    mail_name(text)
    return text


def mail_name(text: str) -> bytes:
    """A mailbox as SOA has it: its first label is what stands before the @ (RFC 1035 section 8). Raises ValueError."""
    local, at, domain = text.rpartition("@")
    if (at and not (local and domain)) or "@" in local or any(char.isspace() for char in text):
        raise ValueError("must be a mail address, for example hostmaster@example.org")
    return from_text(local.replace(".", "\\.") + "." + domain if at else text)


def parse_status_url(text: str) -> str:
    parse_http_url(text, "must be a URL, for example http://10.2.1.2:9465/readyz")
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
Place = Annotated[str, *_kind(parse_path, "/etc/kun/overseas.txt")]
