"""PowerDNS Recursor."""

from bench.names import PREFIX_TEXT, ZONE
from bench.peers.peer import Launch, Peer, Terms

# The zone is named beside the root, else the name servers learnt from its answers would be asked on port 53.
CONFIG = """\
local-address=127.0.0.1
local-port={port}
allow-from=127.0.0.0/8
dont-query=
forward-zones={zone}=127.0.0.1:{upstream},.=127.0.0.1:{upstream}
dns64-prefix={prefix}
dnssec=off
threads={workers}
pdns-distributes-queries=no
reuseport=yes
max-cache-entries={entries}
max-packetcache-entries={entries}
max-mthreads=4096
max-tcp-clients=200
quiet=yes
loglevel=3
disable-syslog=yes
statistics-interval=0
security-poll-suffix=
daemon=no
write-pid=no
socket-dir={folder}
hint-file=no
"""


def setup(program: str, terms: Terms) -> Launch:
    text = CONFIG.format(
        port=terms.port,
        upstream=terms.upstream_port,
        zone=ZONE,
        prefix=PREFIX_TEXT,
        workers=terms.workers,
        entries=terms.entries * 4,
        folder=terms.folder,
    )
    return Launch(((program, f"--config-dir={terms.folder}"),), {"recursor.conf": text})


POWERDNS = Peer(
    key="powerdns",
    title="PowerDNS Recursor",
    program="pdns_recursor",
    package="pdns-recursor",
    setup=setup,
    version_pattern=r"Recursor (\d[\w.]*)",
    note="`dnssec=off`, `reuseport=yes`, its packet cache on (its own fast path), four cache entries a name.",
)
