"""usage: longflows.py ADDRESS DOWNLOADS UPLOADS ECHOES INTERVAL_S QUIET_S

Keeps TCP connections and UDP flows open until it is ended, with a packet of each every INTERVAL_S, and prints JSON
lines: the end of a connection ("ended"), the address and port that a server sees a UDP flow come from whenever that is
another one ("seen"), and once a second how many connections move ("moving": something was heard of the other end
within QUIET_S) and how many datagrams were answered.

A download sends nothing by itself, so nobody could tell it that its gateway is dead: as any program that waits for
others should, it has keepalives (RFC 9293 section 3.8.4), after INTERVAL_S and one of silence.
"""

import asyncio
import json
import socket
import struct
import sys
import time
from collections.abc import Iterator

# Bytes of a packet of a flow.
RATE = 200
# Connections are opened one after the other: a burst would be lost in the emulated network.
SPACING_S = 0.02
LAST_DATA_RECV, LAST_ACK_RECV = 52, 56


def say(**what: object) -> None:
    print(json.dumps({"at": round(time.time(), 4), **what}), flush=True)


class Connection:
    def __init__(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.name, self.reader, self.writer = name, reader, writer
        self.ended = False

    def moves(self, quiet_s: float) -> bool:
        """By the kernel's account of the connection (struct tcp_info), in milliseconds."""
        if self.ended:
            return False
        sock = self.writer.get_extra_info("socket")
        try:
            info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
        except OSError:
            return False  # `hear` says so
        heard_ms = min(struct.unpack_from("I", info, place)[0] for place in (LAST_DATA_RECV, LAST_ACK_RECV))
        return bool(heard_ms < quiet_s * 1000)

    async def hear(self) -> None:
        why = "closed"
        try:
            while await self.reader.read(65536):
                pass
        except OSError as error:
            why = type(error).__name__
        self.ended = True
        say(ended=self.name, why=why)

    async def send(self, interval_s: float) -> None:
        while not self.ended:
            try:
                self.writer.write(b"x" * RATE)
                await self.writer.drain()
            except OSError:
                return  # `hear` says so
            await asyncio.sleep(interval_s)


def keep_alive(sock: socket.socket, interval_s: float) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, int(interval_s) + 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, int(interval_s) + 1)


async def open_one(kind: str, number: int, address: str, interval_s: float, own_port: int) -> Connection:
    reader, writer = await asyncio.open_connection(address, 80, local_addr=("::", own_port))
    keep_alive(writer.get_extra_info("socket"), interval_s)
    way = f"GET /bytes?n=100000000&rate={RATE / interval_s:.0f}&every={interval_s}"
    request = way if kind == "down" else "PUT /bytes"
    writer.write(f"{request} HTTP/1.1\r\nHost: flows\r\n\r\n".encode())
    return Connection(f"{kind}-{number}-{own_port}", reader, writer)


def own_ports() -> Iterator[int]:
    """Others in each minute of an hour. A translator remembers a flow that has ended for four minutes, and drops what
    comes by its ports once it forgets (RFC 6146 section 3.5.2.2, V4 FIN + V6 FIN RCV).
    """
    first = 4000 + int(time.time()) // 60 % 60 * 1000
    return iter(range(first, first + 1000))


class Echoes(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.seen: dict[str, str] = {}
        self.sent = self.answered = 0

    def datagram_received(self, data: bytes, _from: tuple[str, int]) -> None:
        address, port, name = data.decode().split(" ")[:3]
        self.answered += 1
        if self.seen.get(name) != f"{address} {port}":
            say(flow=name, seen=f"{address} {port}")
            self.seen[name] = f"{address} {port}"

    def error_received(self, _error: Exception) -> None:
        """No answer."""


async def echo(name: str, address: str, interval_s: float, echoes: Echoes) -> None:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: echoes, local_addr=("::", 0), remote_addr=(address, 7)
    )
    while True:
        transport.sendto(name.encode())
        echoes.sent += 1
        await asyncio.sleep(interval_s)


async def main() -> None:
    address, (down, up, udp), (interval_s, quiet_s) = sys.argv[1], map(int, sys.argv[2:5]), map(float, sys.argv[5:7])
    connections: list[Connection] = []
    ports = own_ports()
    echoes = Echoes()
    async with asyncio.TaskGroup() as group:
        for number in range(max(down, up, udp)):
            for kind, count in (("down", down), ("up", up)):
                if number < count:
                    one = await open_one(kind, number, address, interval_s, next(ports))
                    connections.append(one)
                    group.create_task(one.hear())
                    if kind == "up":
                        group.create_task(one.send(interval_s))
            if number < udp:
                group.create_task(echo(f"udp-{number}", address, interval_s, echoes))
            await asyncio.sleep(SPACING_S)
        say(ready=True)
        while True:
            await asyncio.sleep(1.0)
            moving = {
                kind: sum(one.moves(quiet_s) for one in connections if one.name.startswith(kind))
                for kind in ("down", "up")
            }
            say(moving=moving, sent=echoes.sent, answered=echoes.answered)


if __name__ == "__main__":
    asyncio.run(main())
