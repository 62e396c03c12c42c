"""Whether record data is what its type says, for types a careless client would trip over. All others are opaque."""

from collections.abc import Callable

Check = Callable[[bytes], bool]


def _strings(data: bytes, least: int, most: int) -> bool:
    """Character strings that fill the data (RFC 1035 section 3.3)."""
    place, count, size = 0, 0, len(data)
    while place < size:
        place += 1 + data[place]
        count += 1
    return place == size and least <= count <= most


def _name_end(data: bytes, place: int) -> int:
    """Where an uncompressed name ends; -1 when it is none."""
    start = place
    while place < len(data):
        length = data[place]
        place += 1 + length
        if not length:
            return place if place - start <= 255 else -1
        if length > 63:
            return -1
    return -1


def _bitmap(data: bytes, place: int) -> bool:
    """Windows in rising order, each of 1 to 32 bytes (RFC 4034 section 4.1.2)."""
    last, size = -1, len(data)
    while place < size:
        if place + 2 > size or data[place] <= last or not 1 <= data[place + 1] <= 32:
            return False
        last = data[place]
        place += 2 + data[place + 1]
    return place == size


def _nsec(data: bytes) -> bool:
    end = _name_end(data, 0)
    return end > 0 and _bitmap(data, end)


def _nsec3_fixed(data: bytes) -> int:
    """Where the salt of NSEC3 and NSEC3PARAM ends (RFC 5155 section 3.2)."""
    return 5 + data[4] if len(data) >= 5 else len(data) + 1


def _nsec3(data: bytes) -> bool:
    place = _nsec3_fixed(data)
    if place >= len(data) or not data[place]:
        return False
    place += 1 + data[place]
    return place <= len(data) and _bitmap(data, place)


def _rrsig(data: bytes) -> bool:
    """Eighteen bytes, the signer's name, a signature (RFC 4034 section 3.1)."""
    return 0 < _name_end(data, 18) < len(data)


def _caa(data: bytes) -> bool:
    """RFC 8659 section 4.1."""
    return len(data) >= 2 and 0 < data[1] <= len(data) - 2


def _svcb(data: bytes) -> bool:
    """Priority, target, parameters in rising order (RFC 9460 section 2.2)."""
    place, last, size = _name_end(data, 2), -1, len(data)
    if place < 0:
        return False
    while place < size:
        if place + 4 > size:
            return False
        key, length = int.from_bytes(data[place : place + 2]), int.from_bytes(data[place + 2 : place + 4])
        if key <= last:
            return False
        last = key
        place += 4 + length
    return place == size


def _at_least(size_bytes: int) -> Check:
    return lambda data: len(data) >= size_bytes


def _exactly(size_bytes: int) -> Check:
    return lambda data: len(data) == size_bytes


CHECKS: dict[int, Check] = {
    13: lambda data: _strings(data, 2, 2),  # HINFO
    16: lambda data: _strings(data, 1, 65535),  # TXT
    19: lambda data: _strings(data, 1, 1),  # X25
    20: lambda data: _strings(data, 1, 2),  # ISDN
    25: _at_least(4),  # KEY
    29: _at_least(16),  # LOC
    37: _at_least(6),  # CERT
    43: _at_least(5),  # DS
    44: _at_least(3),  # SSHFP
    46: _rrsig,
    47: _nsec,
    48: _at_least(5),  # DNSKEY
    50: _nsec3,
    51: lambda data: _nsec3_fixed(data) == len(data),  # NSEC3PARAM
    52: _at_least(4),  # TLSA
    53: _at_least(4),  # SMIMEA
    59: _at_least(4),  # CDS
    60: _at_least(4),  # CDNSKEY
    64: _svcb,
    65: _svcb,  # HTTPS
    99: lambda data: _strings(data, 1, 65535),  # SPF
    108: _exactly(6),  # EUI48
    109: _exactly(8),  # EUI64
    256: _at_least(5),  # URI
    257: _caa,
}
