"""Kinds of values that both configuration files have: text to value, with an error that says what would be right."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any
from urllib.parse import SplitResult, urlsplit


def text_of(value: Any) -> str:
    """Raises ValueError for everything that is not text."""
    if not isinstance(value, str):
        raise ValueError(f"must be text in quotes, not {_kind_of(value)}")
    return value.strip()


def _kind_of(value: Any) -> str:
    """The kind of a value as TOML names it."""
    names = {bool: "a boolean", int: "an integer", float: "a float", list: "an array", dict: "a table"}
    return names.get(type(value), f"a {type(value).__name__}")


def parse_path(text: str) -> str:
    """A path, or "". No system call takes a NUL, and a line of a log is one line."""
    if not text.isprintable():
        raise ValueError("must not have control characters in it")
    return text


def parse_ipv4(text: str, example: str = "203.0.113.1") -> IPv4Address:
    try:
        return IPv4Address(text)
    except ValueError:
        raise ValueError(f'must be an IPv4 address, for example "{example}"') from None


def parse_ipv6(text: str) -> IPv6Address:
    try:
        return IPv6Address(text)
    except ValueError:
        raise ValueError('must be an IPv6 address, for example "fd00:11::2"') from None


def parse_address(text: str) -> IPv4Address | IPv6Address:
    try:
        return ip_address(text)
    except ValueError:
        raise ValueError('must be an IP address, for example "10.2.1.1"') from None


def parse_network(
    text: str, expected: str = 'must be a network, for example "10.0.0.0/8" or "2001:db8::/32"'
) -> IPv4Network | IPv6Network:
    """An address range; a bare address is a range of one. Raises ValueError, also for host bits."""
    try:
        return ip_network(text)
    except ValueError:
        pass
    try:
        loose = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(expected) from None
    raise ValueError(f"has host bits set, did you mean {loose}?")


def parse_ipv4_network(text: str) -> IPv4Network:
    expected = 'must be an IPv4 network, for example "10.0.0.0/8"'
    network = parse_network(text, expected)
    if not isinstance(network, IPv4Network):
        raise ValueError(expected)
    return network


def parse_ipv6_network(text: str) -> IPv6Network:
    expected = 'must be an IPv6 network, for example "2001:db8::/32"'
    network = parse_network(text, expected)
    if not isinstance(network, IPv6Network):
        raise ValueError(expected)
    return network


def parse_http_url(text: str, expected: str) -> SplitResult:
    """Raises ValueError(expected)."""
    try:
        url = urlsplit(text)
        good = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        good = False
    if not good or any(char.isspace() for char in text):
        raise ValueError(expected)
    return url
