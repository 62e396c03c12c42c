"""Writes queries, replies and upstream questions to dnstap, if configured."""

import asyncio
import os
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from kun_base.version import version
from kun_dns64.config.endpoint import Scheme, UpstreamAddress
from kun_dns64.config.settings import Dnstap
from kun_dns64.formats.dnstap import MessageType, Passed, head, payload
from kun_dns64.formats.dnstap import Protocol as WireProtocol
from kun_dns64.model.message import Source, Transport
from kun_dns64.serving.reply_lookup import address_of
from kun_dns64.transport.dnstap_output import Count, FileOutput, Queue, SocketOutput
from kun_dns64.transport.query_handler import Send

CLOSE_S = 1.5
CLIENT_PROTOCOLS = {Transport.UDP: WireProtocol.UDP, Transport.TCP: WireProtocol.TCP, Transport.TLS: WireProtocol.DOT}
UPSTREAM_PROTOCOLS = {
    Scheme.UDP: WireProtocol.UDP,
    Scheme.TCP: WireProtocol.TCP,
    Scheme.TLS: WireProtocol.DOT,
    Scheme.HTTPS: WireProtocol.DOH,
}


class QueryTap(Protocol):
    """The interface of a tap, which gets each query and reply."""

    def client(self, wire: bytes, source: Source, transport: Transport, send: Send) -> "Tapped":
        """Log the query; return the function that sends and logs the reply."""
        ...

    def answered(self, passed: Passed) -> None: ...


class DnstapTap:
    """One per worker. `shared_file`: other workers have the same settings, so the file gets this one's pid."""

    def __init__(self, settings: Dnstap, count: Count, *, shared_file: bool) -> None:
        self.settings = settings
        self._head = head(settings.identity or socket.gethostname().encode(), f"kun-dns64 {version()}".encode())
        self._outputs = _outputs(settings, count, shared_file)
        self._queues: Sequence[Queue] = [output.queue for output in self._outputs]
        self._stop = asyncio.Event()
        self._running = [asyncio.create_task(output.run(self._stop)) for output in self._outputs]

    async def reopen(self) -> None:
        for output in self._outputs:
            await output.reopen()

    async def close(self) -> None:
        """Write waiting messages, unless reader or disk block."""
        self._stop.set()
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=CLOSE_S)
            for task in late:
                task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def client(self, wire: bytes, source: Source, transport: Transport, send: Send) -> "Tapped":
        """Log the query; return the function that sends and logs the answer."""
        asked_ns, client, protocol = time.time_ns(), address_of(source).packed, CLIENT_PROTOCOLS[transport]
        if self.settings.client:
            self._tell(Passed(MessageType.CLIENT_QUERY, protocol, wire, asked_ns, client=client))
        return Tapped(self, Passed(MessageType.CLIENT_RESPONSE, protocol, b"", asked_ns, client=client), send)

    def answered(self, passed: Passed) -> None:
        if self.settings.client:
            self._tell(passed)

    def asked(self, wire: bytes, address: UpstreamAddress) -> None:
        """Log a question to an upstream."""
        if self.settings.forwarder:
            self._tell(_forwarded(MessageType.FORWARDER_QUERY, wire, address, time.time_ns()))

    def heard(self, wire: bytes, address: UpstreamAddress) -> None:
        """Log an upstream's answer."""
        if self.settings.forwarder:
            now_ns = time.time_ns()
            self._tell(_forwarded(MessageType.FORWARDER_RESPONSE, wire, address, now_ns)._replace(responded_ns=now_ns))

    def _tell(self, passed: Passed) -> None:
        raw = payload(self._head, passed)
        for queue in self._queues:
            queue.put(raw)


class Tapped:
    """Send an answer and log it in dnstap. `rule` goes into the field for extra data."""

    __slots__ = ("_passed", "_send", "_tap", "rule")

    def __init__(self, tap: QueryTap, passed: Passed, send: Send) -> None:
        self._tap, self._passed, self._send = tap, passed, send
        self.rule = ""

    def __call__(self, message: bytes | None) -> None:
        self._send(message)
        if message is not None:
            extra = self.rule.encode()
            self._tap.answered(self._passed._replace(raw=message, responded_ns=time.time_ns(), extra=extra))


def _forwarded(kind: MessageType, wire: bytes, address: UpstreamAddress, now_ns: int) -> Passed:
    endpoint, protocol = address.endpoint, UPSTREAM_PROTOCOLS[address.scheme]
    return Passed(kind, protocol, wire, now_ns, server=endpoint.address.packed, server_port=endpoint.port)


def _outputs(settings: Dnstap, count: Count, shared_file: bool) -> list[SocketOutput | FileOutput]:
    outputs: list[SocketOutput | FileOutput] = []
    if settings.socket is not None:
        outputs.append(SocketOutput(settings.socket, Queue("socket", settings.queue_bytes, count)))
    if settings.file is not None:
        path = Path(f"{settings.file}.{os.getpid()}") if shared_file else settings.file
        outputs.append(FileOutput(path, Queue("file", settings.queue_bytes, count)))
    return outputs
