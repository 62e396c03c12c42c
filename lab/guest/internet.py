"""The lab's Internet: a web server and a UDP echo, on every address of the host. Both tell the client how they see it.

    GET /                    "hello from the IPv4 Internet" and the client's address, as JSON
    GET /bytes?n=N&rate=R    N bytes, at most R a second (0: as fast as it goes)
          ...&every=S        in one portion every S seconds
    PUT /bytes               takes what comes, until the client ends
    UDP port 7               "<address> <port> " and the datagram, sent back

Runs with the standard library alone.
"""

import asyncio
import json
import sys
from typing import cast
from urllib.parse import parse_qs, urlsplit

CHUNK = b"kun egress gateway lab\n" * 64
TICK_S = 0.1


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not always an instance of asyncio.DatagramTransport, whatever the documentation says; it has its methods.
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self.transport.sendto(f"{address[0]} {address[1]} ".encode() + data, address)


async def send_bytes(writer: asyncio.StreamWriter, count: int, rate: int, every_s: float) -> None:
    writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {count}\r\nConnection: close\r\n\r\n".encode())
    # A slow flow has one packet a second.
    tick_s = every_s or (1.0 if 0 < rate <= 1000 else TICK_S)
    per_tick = max(1, int(rate * tick_s)) if rate else 256 * 1024
    while count > 0:
        size = min(count, per_tick)
        writer.write((CHUNK * (size // len(CHUNK) + 1))[:size])
        await writer.drain()
        count -= size
        if rate:
            await asyncio.sleep(tick_s)


def page(writer: asyncio.StreamWriter) -> bytes:
    client, server = writer.get_extra_info("peername"), writer.get_extra_info("sockname")
    facts = {"text": "hello from the IPv4 Internet", "client": client[0], "port": client[1], "server": server[0]}
    body = json.dumps(facts).encode() + b"\n"
    head = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close"
    return f"HTTP/1.1 200 OK\r\n{head}\r\n\r\n".encode() + body


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        request = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)).decode("latin-1")
        url = urlsplit(request.split(" ", 2)[1])
        if request.startswith("PUT "):
            while await reader.read(65536):
                pass
        elif url.path == "/bytes":
            options = parse_qs(url.query)
            rate, every_s = (float(options.get(name, ["0"])[0]) for name in ("rate", "every"))
            await send_bytes(writer, int(options["n"][0]), int(rate), every_s)
        else:
            writer.write(page(writer))
        await writer.drain()
    except (TimeoutError, OSError, EOFError, asyncio.LimitOverrunError, KeyError, ValueError, IndexError):
        pass  # clients of a test network vanish and send rubbish
    finally:
        writer.close()


async def main() -> None:
    addresses = sys.argv[1:]
    loop = asyncio.get_running_loop()
    for address in addresses:
        await loop.create_datagram_endpoint(Echo, local_addr=(address, 7))
    server = await asyncio.start_server(serve, addresses, 80, backlog=256)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
