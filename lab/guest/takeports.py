"""usage: takeports.py SOURCE DESTINATION COUNT

Sends one datagram to the discard port of DESTINATION from each of COUNT ports of SOURCE: each takes a public port of
the translator on the way, for as long as that keeps UDP.
"""

import socket
import sys

FIRST, DISCARD = 1024, 9


def main() -> None:
    source, destination, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    for port in range(FIRST, FIRST + count):
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.bind((source, port))
            sock.sendto(b"", (destination, DISCARD))


if __name__ == "__main__":
    main()
