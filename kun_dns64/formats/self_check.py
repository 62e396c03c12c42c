"""The question by which a server finds out whether its own sockets answer, and the answer that says who did.

The name holds a secret of the server, so nobody else can ask it, and the answer goes around every limit for clients.
"""

from hashlib import blake2b

TXT, IN = 16, 1
_TAIL = b"\x07invalid\x00" + TXT.to_bytes(2) + IN.to_bytes(2)
_HEADER_SIZE = 12
# QR, and NOERROR; one question, one answer.
_ANSWERED = b"\x80\x00\x00\x01\x00\x01\x00\x00\x00\x00"
_ASKED = b"\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00"


def mark_of(secret: bytes) -> bytes:
    """The bytes that every self-check holds and no other packet: a label of 32, the rest of the name, TXT, IN."""
    label = blake2b(secret, digest_size=16, person=b"kun self-check").hexdigest().encode()
    return bytes((len(label),)) + label + _TAIL


def question(mark: bytes, ident: int, label: bytes) -> bytes:
    """`label`: what tells this name from others, and so its home."""
    return ident.to_bytes(2) + _ASKED + bytes((len(label),)) + label + mark


def answer(wire: bytes, who: bytes) -> bytes:
    """The answer to `question`: `who` as text."""
    record = b"\xc0\x0c" + TXT.to_bytes(2) + IN.to_bytes(2) + bytes(4) + (len(who) + 1).to_bytes(2)
    return wire[:2] + _ANSWERED + wire[_HEADER_SIZE:] + record + bytes((len(who),)) + who


def who_answered(asked: bytes, wire: bytes) -> bytes | None:
    """None: no answer to this question."""
    end = len(asked) + 12
    if wire[:2] != asked[:2] or wire[_HEADER_SIZE : len(asked)] != asked[_HEADER_SIZE:] or len(wire) <= end:
        return None
    return wire[end + 1 : end + 1 + wire[end]]
