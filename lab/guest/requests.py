"""usage: requests.py ADDRESS PER_SECOND SECONDS TIMEOUT_S

Fetches the page of a web server again and again, each time over a new connection, and prints one JSON line per request:
when it started (seconds of the epoch), how long it took, the address the server saw, and the error if it failed.
No request is tried again.
"""

import asyncio
import json
import sys
import time


async def fetch(address: str) -> str:
    """The address the server saw."""
    reader, writer = await asyncio.open_connection(address, 80)
    try:
        writer.write(f"GET / HTTP/1.1\r\nHost: [{address}]\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
    finally:
        writer.close()
    return str(json.loads(answer.split(b"\r\n\r\n", 1)[1])["client"])


async def one(address: str, timeout_s: float) -> None:
    started, seen, error = time.time(), "", ""
    try:
        async with asyncio.timeout(timeout_s):
            seen = await fetch(address)
    except (OSError, TimeoutError, ValueError, IndexError) as problem:
        error = type(problem).__name__
    line = {"at": started, "took_s": round(time.time() - started, 4), "seen": seen, "error": error}
    print(json.dumps(line), flush=True)


async def main() -> None:
    address, per_second, seconds, timeout_s = sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
    async with asyncio.TaskGroup() as group:
        first = time.monotonic()
        for number in range(int(per_second * seconds)):
            await asyncio.sleep(max(0.0, first + number / per_second - time.monotonic()))
            group.create_task(one(address, timeout_s))


if __name__ == "__main__":
    asyncio.run(main())
