"""When a certificate ends, read from its file (RFC 5280 section 4.1): the standard library tells that of peers only."""

import base64
import re
from datetime import UTC, datetime

PEM = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
SEQUENCE, UTC_TIME, GENERAL_TIME, VERSION = 0x30, 0x17, 0x18, 0xA0


def certificate_end(pem: bytes) -> float:
    """The end of the first certificate of a file, as seconds since 1970. Raises ValueError for what is none."""
    found = PEM.search(pem)
    if found is None:
        raise ValueError("holds no certificate")
    try:
        tbs = _parts(_parts(_parts(base64.b64decode(found[1], validate=False))[0][1])[0][1])
        fields = tbs[1:] if tbs[0][0] == VERSION else tbs
        # Serial number, signature, issuer, validity.
        kind, text = _parts(fields[3][1])[1]
        return _moment(kind, text.decode("ascii"))
    except (IndexError, UnicodeDecodeError) as error:
        raise ValueError("holds no certificate that can be read") from error


def _moment(kind: int, text: str) -> float:
    if kind == UTC_TIME:
        text = ("20" if int(text[:2]) < 50 else "19") + text
    elif kind != GENERAL_TIME:
        raise ValueError("holds a certificate without an end")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()


def _parts(der: bytes) -> list[tuple[int, bytes]]:
    """The elements of a DER sequence: tag and contents. Raises ValueError where it is cut short."""
    found, at = [], 0
    while at < len(der):
        tag, size, start = der[at], der[at + 1], at + 2
        if size & 0x80:
            count = size & 0x7F
            size, start = int.from_bytes(der[start : start + count]), start + count
        if start + size > len(der):
            raise ValueError("holds a certificate that is cut short")
        found.append((tag, der[start : start + size]))
        at = start + size
    return found
