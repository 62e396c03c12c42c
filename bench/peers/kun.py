"""Ours, with every feature at its default: 0x20, cookies, EDE, prefetch, stale service, metrics, admin port."""

from bench.names import VIP
from bench.peers.peer import Launch, Peer, Terms

CONFIG = """\
[server]
listen = ["127.0.0.1:{port}"]
workers = {workers}

[admin]
listen = "127.0.0.1:{admin}"

[upstream]
servers = ["udp://127.0.0.1:{upstream}"]

[cache]
max_entries = {entries}

[dns64]
vip = "{vip}"
"""
POOL = """
[[pool]]
name = "bench"
vip = "{vip}"
domain_files = ["{path}"]
"""


def setup(program: str, terms: Terms) -> Launch:
    text = CONFIG.format(
        port=terms.port,
        admin=terms.port + 1,
        workers=terms.workers,
        upstream=terms.upstream_port,
        entries=max(terms.entries * 4, 500_000),
        vip=VIP,
    )
    if terms.suffixes:
        text += POOL.format(vip=POOL_VIP, path=terms.suffixes)
    # An installed wheel has its bytecode; a checkout must be let keep it.
    bytecode = {"PYTHONDONTWRITEBYTECODE": ""}
    return Launch(((program, "serve", "--config", "kun.toml"),), {"kun.toml": text}, bytecode)


POOL_VIP = "203.0.113.129"
KUN = Peer(
    key="kun",
    title="kun-dns64",
    program="kun-dns64",
    setup=setup,
    note="defaults: case randomisation, cookies, prefetch, stale service, metrics and the admin port are all on.",
)
