"""A server whose answers to AAAA and to A are told by the name: `servfail-data-7.odd.diff.example.` and the like."""

from __future__ import annotations

import contextlib
import socket
import threading

from .message import Message, encode_name
from .zone import ODD

RCODES = {"formerr": 1, "servfail": 2, "nxdomain": 3, "notimp": 4, "refused": 5, "yxdomain": 6}
TYPES = {"AAAA": 28, "A": 1}
APEX = encode_name(ODD)
_TTL = (300).to_bytes(4)
_NS = b"\x02ns" + APEX
_SOA = _NS + b"\x04host" + APEX + b"".join(n.to_bytes(4) for n in (1, 3600, 600, 86400, 300))


class OddServer:
    """By UDP alone: nothing it says is long."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._ended = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            wire, client = self._socket.recvfrom(4096)
            if self._ended:
                return
            with contextlib.suppress(ValueError, IndexError, OSError):
                self._socket.sendto(reply_to(wire), client)

    def stop(self) -> None:
        self._ended = True
        self._socket.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join(5)
        self._socket.close()


def reply_to(wire: bytes) -> bytes:
    """The reply to one query. Raises ValueError or IndexError for what is none."""
    query = Message.parse(wire)
    label = query.question[0].split(b".")[0].decode()
    says = dict(zip(TYPES, label.split("-")[:2], strict=True))
    rdtype = {number: name for name, number in TYPES.items()}.get(query.question[1], "")
    return _encode(wire, query, says.get(rdtype, "nodata"))


def _encode(wire: bytes, query: Message, says: str) -> bytes:
    question = wire[12 : query.question_end]
    answer, authority = b"", b""
    if says == "data":
        rdata = bytes.fromhex("20010db8" + "0" * 23 + "1") if query.question[1] == 28 else b"\x05\x06\x07\x08"
        answer = _record(b"\xc0\x0c", query.question[1], rdata)
    elif says in ("nodata", "nxdomain"):
        authority = _record(APEX, 6, _SOA)
    elif says == "referral":
        authority = _record(APEX, 2, _NS)
    flags = 0x8180 | RCODES.get(says, 0)
    counts = (1, int(bool(answer)), int(bool(authority)), int(query.opt is not None))
    head = wire[:2] + flags.to_bytes(2) + b"".join(count.to_bytes(2) for count in counts)
    opt = b"\0\0\x29\x04\xd0\0\0\0\0\0\0" if query.opt is not None else b""
    return head + question + answer + authority + opt


def _record(owner: bytes, rdtype: int, rdata: bytes) -> bytes:
    return owner + rdtype.to_bytes(2) + b"\0\x01" + _TTL + len(rdata).to_bytes(2) + rdata
