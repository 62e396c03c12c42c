"""Query files: text for dnsperf, and framed wire (RFC 1035 section 4.2.2) for what dnsperf cannot say in text."""

import random
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

AAAA, IN, OPT = 28, 1, 41
RD = 0x0100
EDNS_SIZE = 1232
COOKIE_OPTION = 10


def dnsperf_lines(names: Iterable[str]) -> str:
    return "".join(f"{name} AAAA\n" for name in names)


def wire_name(name: str) -> bytes:
    labels = name.rstrip(".").encode("ascii").split(b".")
    return b"".join(bytes((len(label),)) + label for label in labels) + b"\0"


def query(name: str, opt: bytes = b"") -> bytes:
    """One AAAA query with id 0; `opt` is a whole OPT record or nothing."""
    header = struct.pack(">HHHHHH", 0, RD, 1, 0, 0, 1 if opt else 0)
    return header + wire_name(name) + struct.pack(">HH", AAAA, IN) + opt


def opt_record(cookie: bytes = b"") -> bytes:
    """RFC 6891 section 6.1.2, with a COOKIE option (RFC 7873 section 4) when there is one."""
    option = struct.pack(">HH", COOKIE_OPTION, len(cookie)) + cookie if cookie else b""
    return b"\0" + struct.pack(">HHIH", OPT, EDNS_SIZE, 0, len(option)) + option


def framed(queries: Iterable[bytes]) -> bytes:
    return b"".join(struct.pack(">H", len(wire)) + wire for wire in queries)


def random_case(name: str, draw: random.Random) -> str:
    """0x20: every letter's case is drawn."""
    bits = draw.getrandbits(len(name))
    return "".join(letter.upper() if bits >> place & 1 else letter for place, letter in enumerate(name))


@dataclass(frozen=True, slots=True)
class Mix:
    """`hot` names asked again and again, `fresh` ones once each, one fresh in `one_in` queries."""

    hot: Sequence[str]
    fresh: Sequence[str]
    one_in: int = 10


def mixed(mix: Mix, cookies: Sequence[bytes], seed: int) -> Iterator[bytes]:
    """Queries with drawn case, EDNS and the cookie of a drawn client; where a fresh name stands is drawn too."""
    draw = random.Random(seed)
    opts = [opt_record(cookie) for cookie in cookies] or [opt_record()]
    for name in mix.fresh:
        place = draw.randrange(mix.one_in)
        for position in range(mix.one_in):
            asked = name if position == place else draw.choice(mix.hot)
            yield query(random_case(asked, draw), draw.choice(opts))


def server_cookie(response: bytes, client: bytes) -> bytes:
    """The whole cookie (client and server part) of a response, or the client's alone from a server without them."""
    at = response.find(struct.pack(">H", COOKIE_OPTION), 12)
    while at >= 0:
        length = int.from_bytes(response[at + 2 : at + 4], "big")
        cookie = response[at + 4 : at + 4 + length]
        if 16 <= length <= 40 and cookie.startswith(client):
            return cookie
        at = response.find(struct.pack(">H", COOKIE_OPTION), at + 1)
    return client
