"""The smallest DNS question, to see whether a name server answers at all (RFC 1035 section 4.1)."""

HEADER = 12
TYPE_A, TYPE_NS, CLASS_IN = 1, 2, 1


def question(ident: int, name: str) -> bytes:
    """`name` without trailing dot, or "" for the root, which is asked for its NS. Raises ValueError for a bad name."""
    labels = [label.encode("ascii") for label in name.strip(".").split(".") if label]
    if any(len(label) > 63 for label in labels) or sum(len(label) + 1 for label in labels) > 254:
        raise ValueError(f"{name!r} is too long for a DNS name")
    encoded = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    qtype = TYPE_A if labels else TYPE_NS
    head = ident.to_bytes(2, "big") + b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
    return head + encoded + qtype.to_bytes(2, "big") + CLASS_IN.to_bytes(2, "big")


def answer_ident(data: bytes) -> int | None:
    """The id of a response, whatever its code: any response came all the way back."""
    if len(data) < HEADER or not data[2] & 0x80:
        return None
    return int.from_bytes(data[:2], "big")
