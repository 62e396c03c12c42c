"""A scripted DNS server on loopback: UDP and TCP on one port, driven by values of script.py; it records every query."""

from __future__ import annotations

import asyncio
import struct
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

import dns.exception
import dns.message
import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from tests.ports import free_port

from .names import Names
from .script import (
    Action,
    After,
    ByOpt,
    ByTransport,
    Drop,
    Forged,
    HangUp,
    InTurn,
    LowerCased,
    Raw,
    Says,
    Twice,
    encode,
    forge,
)

Key = tuple[str, int, int]
"""Owner in lower case, class, type."""

DENIAL = Says(authority=("t.example. 300 SOA ns.t.example. h.t.example. 1 3600 600 86400 300",))
"""What the upstream says about everything it has no script for."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One query as it arrived; `at_s` is time.monotonic()."""

    at_s: float
    transport: str
    source: tuple[str, int]
    connection: int
    key: Key
    wire: bytes

    @property
    def message(self) -> dns.message.Message:
        return dns.message.from_wire(self.wire)

    @property
    def id(self) -> int:
        return int.from_bytes(self.wire[:2], "big")


@dataclass(frozen=True, slots=True)
class _Out:
    delay_s: float
    wire: bytes
    other_port: bool = False
    hang_up: bool = False


class ScriptedUpstream:
    """Runs in a thread of its own. Scripts may be added and changed at any time; the log only grows."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.host = host
        self.port = free_port(host)
        self._below: defaultdict[str, list[Seen]] = defaultdict(list)
        self._scripts: dict[Key, tuple[Action, Names]] = {}
        self._turns: Counter[Key] = Counter()
        self._connections = 0
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),), daemon=True)

    def start(self) -> ScriptedUpstream:
        self._thread.start()
        if not self._ready.wait(10):
            raise RuntimeError("the scripted upstream did not start")
        return self

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._loop.close()

    @property
    def address(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def script(self, names: Names, actions: Mapping[str, Action]) -> None:
        """Add or replace what is said; a key is `type`, `name type` or `name class type`; `*.name type` all below."""
        for text, action in actions.items():
            self._scripts[parse_key(text, names)] = (action, names)

    def count(self, key: Key) -> int:
        return sum(seen.key == key for seen in self.below(key[0]))

    def below(self, name: str) -> list[Seen]:
        """Every query for the name or anything under it."""
        return list(self._below[name.lower()])

    async def _serve(self) -> None:
        other, _ = await self._loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=(self.host, 0))
        udp, _ = await self._loop.create_datagram_endpoint(lambda: _Udp(self, other), local_addr=(self.host, self.port))
        tcp = await asyncio.start_server(self._serve_tcp, self.host, self.port, backlog=512)
        self._ready.set()
        await self._stop.wait()
        tcp.close()
        udp.close()
        other.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        connection = self._connections
        try:
            while True:
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                wire = await reader.readexactly(length)
                for out in self.hear(wire, "tcp", writer.get_extra_info("peername")[:2], connection):
                    self._loop.call_later(out.delay_s, _send_tcp, writer, out)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def hear(self, wire: bytes, transport: str, source: tuple[str, int], connection: int = 0) -> list[_Out]:
        """Record the query and decide on the replies; what is no query is not recorded."""
        try:
            query = dns.message.from_wire(wire)
            question = query.question[0]
            key: Key = (question.name.to_text().lower(), int(question.rdclass), int(question.rdtype))
        except (dns.exception.DNSException, IndexError):
            return []
        self._remember(Seen(time.monotonic(), transport, source, connection, key, wire))
        action, names = self._find(key)
        limit = 65535 if transport == "tcp" else max(512, query.payload) if query.edns >= 0 else 512
        self._turns[key] += 1
        return list(_perform(action, _Context(query, wire, names, transport, limit, self._turns[key] - 1)))

    def _remember(self, seen: Seen) -> None:
        owner = seen.key[0]
        self._below[owner].append(seen)
        while "." in owner.rstrip("."):
            owner = owner.split(".", 1)[1]
            self._below[owner].append(seen)

    def _find(self, key: Key) -> tuple[Action, Names]:
        found = self._scripts.get(key)
        owner = key[0]
        while found is None and "." in owner.rstrip("."):
            owner = owner.split(".", 1)[1]
            found = self._scripts.get(("*." + owner, key[1], key[2]))
        return found or (DENIAL, Names("", "0.0.0.0"))


def parse_key(text: str, names: Names) -> Key:
    parts = names.fill(text).split(" ")
    owner = parts[0] if len(parts) > 1 else names.own
    rdclass = parts[1] if len(parts) == 3 else "IN"
    canonical = dns.name.from_text(owner).to_text().lower()
    return canonical, int(dns.rdataclass.from_text(rdclass)), int(dns.rdatatype.from_text(parts[-1]))


@dataclass(frozen=True, slots=True)
class _Context:
    query: dns.message.Message
    wire: bytes
    names: Names
    transport: str
    limit: int
    turn: int


def _perform(action: Action, ctx: _Context, delay_s: float = 0.0) -> Iterator[_Out]:
    match action:
        case Says():
            yield _Out(delay_s, encode(action, ctx.query, ctx.names, ctx.limit))
        case Twice(says):
            wire = encode(says, ctx.query, ctx.names, ctx.limit)
            yield from (_Out(delay_s, wire), _Out(delay_s, wire))
        case LowerCased(says):
            lower = dns.message.from_wire(ctx.wire)
            lower.question = [
                dns.rrset.RRset(dns.name.from_text(str(q.name).lower()), q.rdclass, q.rdtype) for q in lower.question
            ]
            yield _Out(delay_s, encode(says, lower, ctx.names, ctx.limit))
        case Raw(build):
            yield _Out(delay_s, build(ctx.wire))
        case HangUp() if ctx.transport == "tcp":
            yield _Out(delay_s, b"", hang_up=True)
        case Drop() | HangUp():
            return
        case After(seconds, then):
            yield from _perform(then, ctx, delay_s + seconds)
        case ByTransport(udp, tcp):
            yield from _perform(udp if ctx.transport == "udp" else tcp, ctx, delay_s)
        case InTurn(actions):
            yield from _perform(actions[min(ctx.turn, len(actions) - 1)], ctx, delay_s)
        case ByOpt(with_opt, without):
            yield from _perform(with_opt if ctx.query.edns >= 0 else without, ctx, delay_s)
        case Forged(fault, bogus, then, count):
            wire = forge(fault, encode(bogus, ctx.query, ctx.names, ctx.limit))
            yield from (_Out(delay_s, wire, other_port=fault == "wrong-port") for _ in range(count))
            yield from _perform(then, ctx, delay_s + 0.05)


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, upstream: ScriptedUpstream, other: asyncio.DatagramTransport) -> None:
        self._upstream = upstream
        self._other = other

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # the selector loop's own transport is not a subclass of DatagramTransport
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        loop = asyncio.get_running_loop()
        for out in self._upstream.hear(data, "udp", addr[:2]):
            send = (self._other if out.other_port else self._transport).sendto
            if out.delay_s:
                loop.call_later(out.delay_s, send, out.wire, addr)
            else:
                send(out.wire, addr)


def _send_tcp(writer: asyncio.StreamWriter, out: _Out) -> None:
    if out.hang_up:
        writer.transport.abort()
    elif not writer.is_closing():
        writer.write(struct.pack("!H", len(out.wire)) + out.wire)
