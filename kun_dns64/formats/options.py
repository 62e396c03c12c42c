"""EDNS options (RFC 6891 section 6.1.2): a list of code, length, data; and the extended error option (RFC 8914)."""

from struct import Struct

from kun_dns64.formats.wire import WireError
from kun_dns64.model.message import Ede

NSID, CLIENT_SUBNET, COOKIE, KEEPALIVE, PADDING, EXTENDED_ERROR = 3, 8, 10, 11, 12, 15
# Bytes of a COOKIE (RFC 7873 section 4): a client's alone, and with the server's part at least and at most.
CLIENT_COOKIE, LEAST_FULL_COOKIE, MOST_FULL_COOKIE = 8, 16, 40
_HEAD = Struct("!HH")
Options = tuple[tuple[int, bytes], ...]


def read_options(rdata: bytes) -> Options:
    """Raises WireError when the lengths do not fill the data exactly."""
    place, size, found = 0, len(rdata), []
    while place < size:
        if place + 4 > size:
            raise WireError("an EDNS option runs past its record")
        code, length = _HEAD.unpack_from(rdata, place)
        place += 4 + length
        if place > size:
            raise WireError("an EDNS option runs past its record")
        found.append((code, rdata[place - length : place]))
    return tuple(found)


def is_cookie_size(size: int) -> bool:
    """Whether a COOKIE may have so many bytes. fastpath/layout.pxd has the same."""
    return size == CLIENT_COOKIE or LEAST_FULL_COOKIE <= size <= MOST_FULL_COOKIE


def option(code: int, data: bytes) -> bytes:
    return _HEAD.pack(code, len(data)) + data


def find(options: Options, code: int) -> bytes | None:
    """The data of the first option of this code."""
    for found, data in options:
        if found == code:
            return data
    return None


def ede_option(ede: Ede) -> bytes:
    data = ede.code.to_bytes(2) + ede.text.encode("utf-8", "replace")
    return _HEAD.pack(EXTENDED_ERROR, len(data)) + data


def read_edes(options: Options) -> tuple[Ede, ...]:
    """The extended errors in an OPT. An option too short to hold a code is left out: it is advice, not data."""
    return tuple(
        Ede(int.from_bytes(data[:2]), data[2:].rstrip(b"\x00").decode("utf-8", "replace"))
        for code, data in options
        if code == EXTENDED_ERROR and len(data) >= 2
    )
