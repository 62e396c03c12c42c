"""DNS cookies that every replica with the same secret understands (RFC 7873, RFC 9018)."""

from enum import StrEnum

from kun_dns64.formats.options import COOKIE, find
from kun_dns64.formats.siphash import siphash24
from kun_dns64.model.message import IPAddress, Query

CLIENT_BYTES = 8
SERVER_BYTES = 16
# RFC 9018 section 4.3: an hour into the past, five minutes into the future; renewed after half an hour.
LIFETIME_S = 3600
FUTURE_S = 300
RENEW_S = 1800
_HEAD = b"\x01\x00\x00\x00"


class CookieState(StrEnum):
    NONE = "none"
    CLIENT_ONLY = "client-only"
    BAD = "bad"
    VALID = "valid"


def server_cookie(client: bytes, source: IPAddress, secret: bytes, unix_s: int) -> bytes:
    """Version, time and hash for one client cookie and address (RFC 9018 section 4)."""
    stamped = _HEAD + (unix_s & 0xFFFFFFFF).to_bytes(4)
    return stamped + siphash24(secret, client + stamped + source.packed)


def check_cookie(query: Query, secrets: tuple[bytes, ...], unix_s: int) -> CookieState:
    """What the query's cookie proves. `secrets`: the present one first, then older ones still honoured (section 5)."""
    data = cookie_data(query)
    if data is None:
        return CookieState.NONE
    if len(data) == CLIENT_BYTES:
        return CookieState.CLIENT_ONLY
    return CookieState.VALID if _is_valid(data, query.source, secrets, unix_s) else CookieState.BAD


def answering_cookie(data: bytes, source: IPAddress, secrets: tuple[bytes, ...], unix_s: int) -> bytes:
    """The 24 bytes that answer a COOKIE option holding `data`.

    A valid server cookie younger than half an hour goes back as it came (RFC 9018 section 4.3), any other is renewed.
    """
    if _is_valid(data, source, secrets[:1], unix_s) and 0 <= _age(data[CLIENT_BYTES:], unix_s) < RENEW_S:
        return data
    client = data[:CLIENT_BYTES]
    return client + server_cookie(client, source, secrets[0], unix_s)


def _is_valid(data: bytes, source: IPAddress, secrets: tuple[bytes, ...], unix_s: int) -> bool:
    client, server = data[:CLIENT_BYTES], data[CLIENT_BYTES:]
    if len(server) != SERVER_BYTES or server[:1] != b"\x01" or not _is_timely(server, unix_s):
        return False
    hashed = client + server[:8] + source.packed
    return any(siphash24(secret, hashed) == server[8:] for secret in secrets)


def cookie_data(query: Query) -> bytes | None:
    """The query's COOKIE option. The parser has checked its length."""
    return None if query.edns is None else find(query.edns.options, COOKIE)


def _age(server: bytes, unix_s: int) -> int:
    """Seconds, in serial number arithmetic: the clock's 32 bits wrap (RFC 1982)."""
    age = unix_s - int.from_bytes(server[4:8]) & 0xFFFFFFFF
    return age - (1 << 32) if age >= 1 << 31 else age


def _is_timely(server: bytes, unix_s: int) -> bool:
    return -FUTURE_S <= _age(server, unix_s) <= LIFETIME_S
