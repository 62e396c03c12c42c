"""NLnet Labs Unbound."""

from bench.names import PREFIX_TEXT
from bench.peers.peer import Launch, Peer, Terms, cache_mib

CONFIG = """\
server:
  interface: 127.0.0.1@{port}
  access-control: 127.0.0.0/8 allow
  do-ip6: no
  num-threads: {workers}
  so-reuseport: yes
  msg-cache-slabs: {workers}
  rrset-cache-slabs: {workers}
  infra-cache-slabs: {workers}
  key-cache-slabs: {workers}
  msg-cache-size: {cache}m
  rrset-cache-size: {cache}m
  outgoing-range: 8192
  num-queries-per-thread: 4096
  incoming-num-tcp: 200
  module-config: "dns64 iterator"
  dns64-prefix: {prefix}
  do-not-query-localhost: no
  minimal-responses: yes
  use-syslog: no
  logfile: "/dev/null"
  verbosity: 0
  username: ""
  chroot: ""
  directory: "{folder}"
  pidfile: "{folder}/unbound.pid"
remote-control:
  control-enable: no
forward-zone:
  name: "."
  forward-addr: 127.0.0.1@{upstream}
"""


def setup(program: str, terms: Terms) -> Launch:
    text = CONFIG.format(
        port=terms.port,
        workers=terms.workers,
        cache=cache_mib(terms.entries),
        prefix=PREFIX_TEXT,
        folder=terms.folder,
        upstream=terms.upstream_port,
    )
    return Launch(((program, "-d", "-c", "unbound.conf"),), {"unbound.conf": text})


UNBOUND = Peer(
    key="unbound",
    title="Unbound",
    program="unbound",
    package="unbound",
    setup=setup,
    version_argv=("-V",),
    version_pattern=r"Version (\S+)",
    note='`module-config: "dns64 iterator"`: no validator, no other module; slabs = threads; 8,192 outgoing ports.',
)
