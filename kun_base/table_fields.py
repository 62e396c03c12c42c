"""The fields of the table's records, each checked by its kind. Raises TableFault, which names record and field."""

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_network
from typing import Any
from urllib.parse import urlsplit

from kun_base.prefix import Prefix

MAX_NAME = 512
V4_MAPPED = bytes(10) + b"\xff\xff"


class TableFault(Exception):
    """Something in the table, in its stream or in its file that the contract does not allow."""


@dataclass(frozen=True, slots=True)
class PublicShare:
    """Ports of a public address. `gateway` "": whichever gateway of the pool holds the VIP."""

    address: IPv4Address
    first_port: int
    last_port: int
    gateway: str


def is_name(value: object) -> bool:
    """Tell whether a value can be the name of something: visible, and bounded."""
    return isinstance(value, str) and 0 < len(value) <= MAX_NAME and value.isprintable()


def check_network(text: object) -> str:
    """Return the text of a network as it must be written: no host bits, the form of RFC 5952, no /32 and no /128."""
    if isinstance(text, str) and _is_network(text):
        return text
    raise TableFault(f"{shown(text)} is not a network in its shortest form")


def _is_network(text: str) -> bool:
    address, slash, length = text.partition("/")
    family, bits = (socket.AF_INET6, 128) if ":" in address else (socket.AF_INET, 32)
    try:
        packed = socket.inet_pton(family, address)
    except (OSError, ValueError):
        return False
    if socket.inet_ntop(family, packed) != address and str(ip_network(packed).network_address) != address:
        return False
    if not slash:
        return True
    if not (length.isascii() and length.isdigit()) or str(int(length[:4])) != length or int(length) >= bits:
        return False
    return not int.from_bytes(packed, "big") & ((1 << (bits - int(length))) - 1)


def packed_network(text: str) -> tuple[bytes, int]:
    """Give first address and length of a network that has been checked; an IPv4-mapped one is a network of IPv4.

    It takes a tenth of the time that ipaddress does.
    """
    address, slash, digits = text.partition("/")
    start = socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    length = int(digits) if slash else 8 * len(start)
    if len(start) == 16 and length >= 96 and start[:12] == V4_MAPPED:
        return start[12:], length - 96
    return start, length


class RecordFields:
    """Reads the fields of one record; a fault names kind, record and field."""

    def __init__(self, kind: str, name: str, value: object) -> None:
        self._where = f"{kind} {shown(name)}"
        if not isinstance(value, dict):
            raise TableFault(f"{self._where}: the value is not an object")
        self._value: dict[str, Any] = value

    def get(self, field: str, wanted: str, is_right: Callable[[Any], bool]) -> Any:
        value = self._value.get(field)
        if field not in self._value or not is_right(value):
            raise TableFault(f"{self._where}: {field} = {shown(value)}, must be {wanted}")
        return value

    def text(self, field: str) -> str:
        found: str = self.get(field, "a text", is_text)
        return found

    def one_of(self, field: str, *texts: str) -> str:
        found: str = self.get(field, f"one of {', '.join(texts)}", lambda value: value in texts)
        return found

    def flag(self, field: str) -> bool:
        found: bool = self.get(field, "true or false", lambda value: isinstance(value, bool))
        return found

    def number(self, field: str, most: int) -> int:
        found: int = self.get(field, f"an integer from 0 to {most}", lambda value: is_count(value, most))
        return found

    def texts(self, field: str) -> tuple[str, ...]:
        return tuple(self.get(field, "a list of texts", lambda value: _is_list(value, is_name)))

    def urls(self, field: str) -> tuple[str, ...]:
        return tuple(self.get(field, "a list of URLs", lambda value: _is_list(value, _is_url)))

    def made(self, field: str, wanted: str, make: Callable[[Any], Any]) -> Any:
        try:
            return make(self._value[field])
        except (KeyError, TypeError, ValueError):
            raise TableFault(f"{self._where}: {field} = {shown(self._value.get(field))}, must be {wanted}") from None

    def pairs(self, field: str) -> tuple[tuple[str, str], ...]:
        found = self.get(field, "an object of texts", lambda value: isinstance(value, dict))
        if not all(is_name(key) and is_name(value) for key, value in found.items()):
            raise TableFault(f"{self._where}: {field} must be an object of texts")
        return tuple(sorted(found.items()))

    def shares(self, field: str) -> tuple[PublicShare, ...]:
        wanted = 'a list of {"address", "ports": "FIRST-LAST", "gateway"}'
        found: tuple[PublicShare, ...] = self.made(field, wanted, _shares)
        return found


def is_count(value: object, most: int) -> bool:
    """Tell whether a value is an integer from 0 to `most`."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def is_text(value: object) -> bool:
    return value == "" or is_name(value)


def _is_list(value: object, is_right: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and all(is_right(one) for one in value)


def _is_url(value: object) -> bool:
    if not is_name(value) or any(character.isspace() for character in str(value)):
        return False
    try:
        url = urlsplit(str(value))
        return url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        return False


def read_address(value: object) -> IPv4Address:
    if not isinstance(value, str):
        raise TypeError
    return IPv4Address(value)


def read_prefixes(value: object) -> tuple[Prefix, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise TypeError
    return tuple(Prefix.parse(one) for one in value)


def _shares(value: object) -> tuple[PublicShare, ...]:
    if not isinstance(value, list):
        raise TypeError
    return tuple(_share(one) for one in value)


def _share(value: Mapping[str, Any]) -> PublicShare:
    first, dash, last = value["ports"].partition("-") if isinstance(value["ports"], str) else ("", "", "")
    digits = first + last
    if not dash or not digits.isascii() or not digits.isdigit() or len(digits) > 10 or not is_text(value["gateway"]):
        raise ValueError
    share = PublicShare(read_address(value["address"]), int(first), int(last), value["gateway"])
    if not 0 <= share.first_port <= share.last_port <= 65535:
        raise ValueError
    return share


def shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
