"""CoreDNS, whose dns64 plugin many clusters run."""

from bench.names import PREFIX_TEXT
from bench.peers.peer import Launch, Peer, Terms

CONFIG = """\
.:{port} {{
  bind 127.0.0.1
  dns64 {{
    prefix {prefix}
    allow_ipv4
  }}
  cache 86400 {{
    success {entries}
    denial {entries}
  }}
  forward . 127.0.0.1:{upstream} {{
    health_check 60s
  }}
}}
"""


def setup(program: str, terms: Terms) -> Launch:
    text = CONFIG.format(
        port=terms.port, prefix=PREFIX_TEXT, entries=max(terms.entries * 4, 50_000), upstream=terms.upstream_port
    )
    command = (program, "-conf", "Corefile", "-quiet")
    return Launch((command,), {"Corefile": text}, {"GOMAXPROCS": str(terms.workers)})


COREDNS = Peer(
    key="coredns",
    title="CoreDNS",
    program="coredns",
    setup=setup,
    version_argv=("-version",),
    version_pattern=r"CoreDNS-(\S+)",
    movable_threads=True,
    note="`GOMAXPROCS` = workers; only `dns64`, `cache`, `forward`, in the order that is built in.",
)
