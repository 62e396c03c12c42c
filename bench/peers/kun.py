"""Ours, with every feature at its default: 0x20, cookies, EDE, prefetch, stale service, metrics, admin port."""

from collections.abc import Sequence
from ipaddress import IPv4Address

from bench.names import NETWORK, VIP
from bench.peers.peer import Launch, Peer, Terms
from kun_base.special_ipv4 import NEVER_TRANSLATED

CONFIG = """\
[server]
listen = ["127.0.0.1:{port}"]
workers = {workers}

[admin]
listen = "127.0.0.1:{admin}"

[upstream]
servers = [{servers}]

[cache]
{cache}

[dns64]
vip = "{vip}"
never_embed = [{never_embed}]
"""
# All of the default but the network that the names of the benchmark are in.
NEVER_EMBED = ", ".join(f'"{network}"' for network in NEVER_TRANSLATED if IPv4Address(NETWORK) not in network)
POOL = """
[[pool]]
name = "bench"
vip = "{vip}"
domain_files = ["{path}"]
"""


def configuration(port: int, workers: int, upstreams: Sequence[int], cache: str, vip: str = VIP) -> str:
    """All else at its default. `upstreams`: ports; `cache`: a line of that section; the admin port is the next one."""
    servers = ", ".join(f'"udp://127.0.0.1:{one}"' for one in upstreams)
    return CONFIG.format(
        port=port, admin=port + 1, workers=workers, servers=servers, cache=cache, vip=vip, never_embed=NEVER_EMBED
    )


def setup(program: str, terms: Terms) -> Launch:
    entries = max(terms.entries * 4, 500_000)
    text = configuration(terms.port, terms.workers, (terms.upstream_port,), f"max_entries = {entries}")
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
