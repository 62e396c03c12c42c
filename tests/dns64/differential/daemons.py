"""The real programs of the run: NSD holds the zones, a plain Unbound resolves them, BIND and Unbound do DNS64.

kun-dns64 is a forwarder and needs a resolver that follows aliases from zone to zone: a plain Unbound, which keeps
nothing, so that every TTL is fresh. BIND and Unbound follow aliases themselves and ask the authority for each zone. All
three are thus told the same, with the same TTLs; what differs is their own doing.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from .zone import ODD, PREFIX, SIGNED, UNKNOWN, UNLOADED, VIP, ZONES, Book

HOST = "127.0.0.1"
SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
NEEDED = {"nsd": "nsd", "unbound": "unbound", "named": "bind9", "dnssec-signzone": "bind9-utils"}
READY_S = 20.0

NSD = """\
server:
  ip-address: {host}@{port}
  username: ""
  chroot: ""
  zonesdir: "{folder}"
  database: ""
  pidfile: "{folder}/nsd.pid"
  xfrdfile: "{folder}/xfrd.state"
  zonelistfile: "{folder}/zone.list"
  server-count: 1
  minimal-responses: yes
  round-robin: no
  refuse-any: no
  rrl-ratelimit: 0
  ipv4-edns-size: 4096
remote-control:
  control-enable: no
"""

UNBOUND = """\
server:
  interface: {host}@{port}
  access-control: 127.0.0.0/8 allow
  do-ip6: no
  num-threads: 1
  module-config: "{modules}"
  outgoing-range: 4096
  num-queries-per-thread: 2048
  do-not-query-localhost: no
  minimal-responses: yes
  unblock-lan-zones: yes
  rrset-roundrobin: no
  serve-expired: no
  aggressive-nsec: no
  deny-any: no
  edns-buffer-size: 1232
  max-udp-size: 1232
  cache-max-ttl: 604800
  cache-max-negative-ttl: 604800
  harden-dnssec-stripped: no
  local-zone: "2.0.192.in-addr.arpa." nodefault
  infra-keep-probing: yes
  max-query-restarts: 20
  incoming-num-tcp: 200
  use-syslog: no
  verbosity: 0
  logfile: "{folder}/unbound.log"
  username: ""
  chroot: ""
  directory: "{folder}"
  pidfile: "{folder}/unbound.pid"
{more}
remote-control:
  control-enable: no
"""

BIND = """\
options {{
  directory "{folder}";
  pid-file "{folder}/named.pid";
  session-keyfile none;
  listen-on port {port} {{ {host}; }};
  listen-on-v6 {{ none; }};
  recursion yes;
  allow-query {{ 127.0.0.0/8; }};
  allow-recursion {{ 127.0.0.0/8; }};
  dnssec-validation no;
  minimal-responses yes;
  empty-zones-enable no;
  qname-minimization off;
  prefetch 0;
  servfail-ttl 0;
  max-cache-ttl 604800;
  max-ncache-ttl 604800;
  edns-udp-size 1232;
  max-udp-size 1232;
  rrset-order {{ order none; }};
  recursive-clients 8000;
  max-query-restarts 20;
  max-records-per-type 0;
  max-types-per-name 0;
  dns64 {prefix} {{
    clients {{ any; }};
    exclude {{ ::ffff:0:0/96; 64:ff9b::/96; {prefix}; }};
    mapped {{ !0.0.0.0/8; !127.0.0.0/8; !169.254.0.0/16; !224.0.0.0/4; !240.0.0.0/4; !{vip}; any; }};
    break-dnssec yes;
  }};
}};
{zones}
controls {{ }};
logging {{ category default {{ null; }}; category unmatched {{ null; }}; }};
"""


def missing() -> str:
    """What the run needs and this machine lacks, in words; nothing if all is there."""
    lacks = [f"{name} (Debian package {package})" for name, package in NEEDED.items() if not found(name)]
    return "needs " + ", ".join(lacks) if lacks else ""


def found(name: str) -> str:
    return shutil.which(name) or shutil.which(name, path=SYSTEM_FOLDERS) or ""


class Daemon:
    """A program in the foreground, ready when it answers a query by TCP."""

    def __init__(self, argv: Sequence[str], folder: Path, port: int) -> None:
        self.port, self._folder = port, folder
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder)
        deadline = time.monotonic() + READY_S
        while not _listens(port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"{argv[0]} does not run: {(folder / 'log').read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _listens(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), 0.5).close()
    except OSError:
        return False
    return True


def authority(book: Book, folder: Path, port: int) -> Daemon:
    """NSD with all zones of the book. One more it knows of and cannot load: SERVFAIL."""
    text = NSD.format(host=HOST, port=port, folder=folder)
    for zone in ZONES:
        (folder / f"{zone}zone").write_text(book.text(zone))
        text += f'zone:\n  name: "{zone}"\n  zonefile: "{zone}zone"\n'
    _sign(folder, SIGNED)
    text += f'zone:\n  name: "{UNLOADED}"\n  zonefile: "absent"\n'
    (folder / "nsd.conf").write_text(text.replace(f'"{SIGNED}zone"', f'"{SIGNED}zone.signed"'))
    return Daemon([found("nsd"), "-d", "-c", "nsd.conf"], folder, port)


def _sign(folder: Path, zone: str) -> None:
    keygen = [found("dnssec-keygen"), "-q", "-a", "ECDSAP256SHA256", "-f", "KSK", "-n", "ZONE", zone]
    signer = [found("dnssec-signzone"), "-z", "-S", "-P", "-o", zone, f"{zone}zone"]
    for argv in (keygen, signer):
        done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            raise RuntimeError(f"{argv[0]}: {done.stderr}")


def plain_resolver(folder: Path, port: int, nsd: int) -> Daemon:
    return _unbound("iterator", folder, port, _stubs(nsd, "\n  stub-no-cache: yes"))


def unbound_dns64(folder: Path, port: int, nsd: int, odd: int) -> Daemon:
    forward = f'forward-zone:\n  name: "{ODD}"\n  forward-addr: {HOST}@{odd}\n'
    return _unbound("dns64 iterator", folder, port, f"  dns64-prefix: {PREFIX}\n{_stubs(nsd)}{forward}")


def _stubs(nsd: int, more: str = "") -> str:
    zones = (*ZONES, UNLOADED, UNKNOWN)
    return "".join(f'stub-zone:\n  name: "{zone}"\n  stub-addr: {HOST}@{nsd}{more}\n' for zone in zones)


def _unbound(modules: str, folder: Path, port: int, more: str) -> Daemon:
    (folder / "unbound.conf").write_text(
        UNBOUND.format(host=HOST, port=port, folder=folder, modules=modules, more=more)
    )
    return Daemon([found("unbound"), "-d", "-c", "unbound.conf"], folder, port)


def bind_dns64(folder: Path, port: int, nsd: int, odd: int) -> Daemon:
    ports = {**dict.fromkeys((*ZONES, UNLOADED, UNKNOWN), nsd), ODD: odd}
    zones = "\n".join(
        f'zone "{zone}" {{ type forward; forward only; forwarders port {place} {{ {HOST}; }}; }};'
        for zone, place in ports.items()
    )
    text = BIND.format(host=HOST, port=port, folder=folder, prefix=PREFIX, vip=VIP, zones=zones)
    (folder / "named.conf").write_text(text)
    return Daemon([found("named"), "-f", "-n", "1", "-c", "named.conf"], folder, port)
