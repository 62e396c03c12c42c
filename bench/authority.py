"""NSD as the one authority behind every server, on the load's core."""

import random
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.names import FIRST, ZONE, zone_file
from bench.process import BenchError, running
from bench.programs import find_program
from bench.queries import query
from bench.wire import ask, client

CONFIG = """\
server:
  ip-address: 127.0.0.1@{port}
  do-ip6: no
  server-count: 1
  tcp-count: 200
  username: ""
  database: ""
  zonesdir: "{folder}"
  xfrdfile: "{folder}/xfrd.state"
  zonelistfile: "{folder}/zone.list"
  pidfile: "{folder}/nsd.pid"
  logfile: "/dev/null"
  verbosity: 0
  rrl-ratelimit: 0
  refuse-any: no
remote-control:
  control-enable: no
zone:
  name: "{zone}"
  zonefile: "zone"
"""
START_DEADLINE_S = 60.0


def free_port() -> int:
    """A port that was free a moment ago for UDP and TCP, with a free neighbour above it."""
    for port in random.sample(range(10000, 32000), 1000):
        with socket.socket() as tcp, socket.socket() as above, socket.socket(type=socket.SOCK_DGRAM) as udp:
            try:
                tcp.bind(("127.0.0.1", port))
                udp.bind(("127.0.0.1", port))
                above.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port
    raise BenchError("no free port on 127.0.0.1")


@contextmanager
def authority(folder: Path, cores: Sequence[int], names: int, port: int = 0) -> Iterator[int]:
    """NSD with a zone of `names` A-only names; the port it answers on (0: any). Gone on leaving."""
    program = find_program("nsd")
    if not program:
        raise BenchError("nsd is missing: apt-get install nsd, or --install")
    folder.mkdir(exist_ok=True)
    port = port or free_port()
    with (folder / "zone").open("w") as zone:
        zone.writelines(f"{line}\n" for line in zone_file(names))
    (folder / "nsd.conf").write_text(CONFIG.format(port=port, folder=folder, zone=ZONE))
    with running((program, "-d", "-c", "nsd.conf"), cores, folder):
        wait_until_it_answers(port)
        yield port


def wait_until_it_answers(port: int) -> None:
    with client(port) as sock:
        sock.settimeout(0.1)
        for _ in range(int(START_DEADLINE_S / 0.1)):
            response = ask(sock, query(FIRST))
            if response and response[3] & 15 == 0:
                return
    raise BenchError(f"NSD did not answer within {START_DEADLINE_S:.0f} s")
