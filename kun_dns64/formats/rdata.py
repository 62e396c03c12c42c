"""Which record types hold names that may arrive compressed, and where (RFC 1035, RFC 3597 section 4)."""

from kun_dns64.formats.rdatacheck import CHECKS
from kun_dns64.formats.wire import WireError, read_name
from kun_dns64.model.question import CLASS_IN

A, AAAA, NAPTR = 1, 28, 35
REST = -1
# type: bytes before the names, number of names, bytes behind them (REST: any number)
LAYOUTS: dict[int, tuple[int, int, int]] = {
    2: (0, 1, 0),  # NS
    3: (0, 1, 0),  # MD
    4: (0, 1, 0),  # MF
    5: (0, 1, 0),  # CNAME
    6: (0, 2, 20),  # SOA
    7: (0, 1, 0),  # MB
    8: (0, 1, 0),  # MG
    9: (0, 1, 0),  # MR
    12: (0, 1, 0),  # PTR
    14: (0, 2, 0),  # MINFO
    15: (2, 1, 0),  # MX
    17: (0, 2, 0),  # RP
    18: (2, 1, 0),  # AFSDB
    21: (2, 1, 0),  # RT
    24: (18, 1, REST),  # SIG
    26: (2, 2, 0),  # PX
    30: (0, 1, REST),  # NXT
    33: (6, 1, 0),  # SRV
    36: (2, 1, 0),  # KX
    39: (0, 1, 0),  # DNAME
}
# Only these may be sent compressed (RFC 3597 section 4).
COMPRESSIBLE = frozenset((2, 5, 6, 12, 15))
# Every other type is opaque and its length is its own affair.
FIXED = {A: 4, AAAA: 16}
DECODED = frozenset((*LAYOUTS, *FIXED, *CHECKS, NAPTR))


def decode_rdata(wire: bytes, place: int, end: int, rtype: int, rclass: int, known: dict[int, bytes]) -> bytes:
    """The rdata with its names uncompressed. Raises WireError or IndexError unless it fills its length."""
    size_bytes = FIXED.get(rtype)
    if size_bytes is not None:
        if end - place != size_bytes and rclass == CLASS_IN:
            raise WireError("an address of the wrong length")
        return wire[place:end]
    check = CHECKS.get(rtype)
    if check is not None:
        if rclass == CLASS_IN and not check(wire[place:end]):
            raise WireError(f"data that is not of type {rtype}")
        return wire[place:end]
    before, count, behind = _naptr_layout(wire, place) if rtype == NAPTR else LAYOUTS[rtype]
    out = wire[place : place + before]
    place += before
    for _ in range(count):
        name, place = read_name(wire, place, known)
        out += name
    if place + behind > end if behind == REST else place + behind != end:
        raise WireError("record data does not fill its length")
    return out + wire[place:end]


def _naptr_layout(wire: bytes, place: int) -> tuple[int, int, int]:
    """Order, preference, three character strings, one name (RFC 3403 section 4.1)."""
    size = 4
    for _ in range(3):
        size += 1 + wire[place + size]
    return size, 1, 0
