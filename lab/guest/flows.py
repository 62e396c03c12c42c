"""usage: flows.py ADDRESS UDP_FLOWS TCP_FLOWS INTERVAL_S TIMEOUT_S

Sends a request of every flow each INTERVAL_S until it is ended, and prints one JSON line per request: when it was sent
(seconds of the epoch), its flow, and the address the server saw ("": no answer within TIMEOUT_S). A flow keeps its
protocol and port, so that a router that spreads flows sends it the same way as long as it has the same choice.
"""

import asyncio
import json
import socket
import struct
import sys
import time

FIRST_PORT = 30000
GET = b"GET / HTTP/1.1\r\nHost: flows\r\nConnection: close\r\n\r\n"


class Echoes(asyncio.DatagramProtocol):
    """One socket; the number in the datagram says which request an answer is of."""

    def __init__(self) -> None:
        self.waiting: dict[bytes, asyncio.Future[str]] = {}

    def datagram_received(self, data: bytes, _from: tuple[str, int]) -> None:
        seen, _, rest = data.partition(b" ")
        waiting = self.waiting.pop(rest.partition(b" ")[2], None)
        if waiting is not None and not waiting.done():
            waiting.set_result(seen.decode())

    def error_received(self, _error: Exception) -> None:
        """No answer: the request times out by itself."""


class UdpFlow:
    def __init__(self, address: str, port: int) -> None:
        self._address, self._port, self._number = address, port, 0

    async def start(self) -> None:
        self._transport, self._echoes = await asyncio.get_running_loop().create_datagram_endpoint(
            Echoes, local_addr=("::", self._port), remote_addr=(self._address, 7)
        )

    async def ask(self) -> str:
        self._number += 1
        number = str(self._number).encode()
        waiting: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._echoes.waiting[number] = waiting
        self._transport.sendto(number)
        try:
            return await waiting
        finally:
            self._echoes.waiting.pop(number, None)


class TcpFlow:
    """Each time a new connection from the same port; a reset at its end frees the port at once."""

    def __init__(self, address: str, port: int) -> None:
        self._address, self._port = address, port

    async def start(self) -> None:
        """Nothing stays open."""

    async def ask(self) -> str:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.bind(("::", self._port))
            loop = asyncio.get_running_loop()
            await loop.sock_connect(sock, (self._address, 80))
            await loop.sock_sendall(sock, GET)
            answer = b""
            while part := await loop.sock_recv(sock, 65536):
                answer += part
        return str(json.loads(answer.split(b"\r\n\r\n", 1)[1])["client"])


async def one(name: str, flow: UdpFlow | TcpFlow, timeout_s: float) -> None:
    at, seen = time.time(), ""
    try:
        async with asyncio.timeout(timeout_s):
            seen = await flow.ask()
    except (OSError, TimeoutError, ValueError, IndexError):
        pass
    print(json.dumps({"at": round(at, 3), "flow": name, "seen": seen}), flush=True)


async def keep_asking(name: str, flow: UdpFlow | TcpFlow, interval_s: float, timeout_s: float) -> None:
    """Datagrams keep their rhythm whatever is lost; a connection waits for the end of the one before."""
    await flow.start()
    due = time.monotonic()
    async with asyncio.TaskGroup() as group:
        while True:
            asked = group.create_task(one(name, flow, timeout_s))
            if isinstance(flow, TcpFlow):
                await asked
            due = max(due + interval_s, time.monotonic())
            await asyncio.sleep(due - time.monotonic())


async def main() -> None:
    address, (udp, tcp), (interval_s, timeout_s) = sys.argv[1], map(int, sys.argv[2:4]), map(float, sys.argv[4:6])
    flows: dict[str, UdpFlow | TcpFlow] = {}
    flows |= {f"udp-{n}": UdpFlow(address, FIRST_PORT + n) for n in range(udp)}
    flows |= {f"tcp-{n}": TcpFlow(address, FIRST_PORT + n) for n in range(tcp)}
    async with asyncio.TaskGroup() as group:
        for name, flow in flows.items():
            group.create_task(keep_asking(name, flow, interval_s, timeout_s))
            await asyncio.sleep(interval_s / len(flows))


if __name__ == "__main__":
    asyncio.run(main())
