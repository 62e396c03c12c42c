"""ISC BIND."""

from bench.names import PREFIX_TEXT
from bench.peers.peer import Launch, Peer, Terms, cache_mib

CONFIG = """\
options {{
  directory "{folder}";
  pid-file "{folder}/named.pid";
  session-keyfile none;
  listen-on port {port} {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }};
  recursion yes;
  allow-query {{ 127.0.0.0/8; }};
  allow-recursion {{ 127.0.0.0/8; }};
  forward only;
  forwarders port {upstream} {{ 127.0.0.1; }};
  dnssec-validation no;
  dns64 {prefix} {{ clients {{ any; }}; }};
  minimal-responses yes;
  max-cache-size {cache}M;
  recursive-clients 8000;
  tcp-clients 200;
  querylog no;
  zone-statistics none;
}};
controls {{ }};
logging {{
  category default {{ null; }};
  category unmatched {{ null; }};
}};
"""


def setup(program: str, terms: Terms) -> Launch:
    text = CONFIG.format(
        port=terms.port,
        cache=cache_mib(terms.entries),
        prefix=PREFIX_TEXT,
        folder=terms.folder,
        upstream=terms.upstream_port,
    )
    return Launch(((program, "-f", "-n", str(terms.workers), "-c", "named.conf"),), {"named.conf": text})


BIND = Peer(
    key="bind",
    title="BIND",
    program="named",
    package="bind9",
    setup=setup,
    version_argv=("-v",),
    version_pattern=r"BIND (\d[\w.]*)",
    note="`named -n` = workers; `forward only`, `minimal-responses yes`, statistics and logging off.",
)
