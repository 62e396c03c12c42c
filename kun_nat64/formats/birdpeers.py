"""The include file of BIRD that holds neighbours and filters, where the agent writes them ([bgp] manage_daemon)."""

from collections.abc import Mapping

from kun_nat64.formats import birdpaths
from kun_nat64.model.spec import BgpSpec, Peer

MARK = "kun_peer_"
HEAD = "# Written by kun-nat64 ([bgp] manage_daemon). Changes are overwritten.\n"
BFD = """\
protocol bfd kun_peer_bfd {
    interface "*" { min rx interval 300 ms; min tx interval 300 ms; multiplier 3; };
}
"""


def document(bgp: BgpSpec, passwords: Mapping[str, str]) -> str:
    """With the paths' own include file. `passwords`: TCP MD5 (RFC 2385), by the peer's address."""
    paths = bgp.paths_file.rpartition("/")
    include = f'include "{paths[0]}*/{paths[2]}";\n'
    peers = (_peer(one, bgp, passwords.get(str(one.address), "")) for one in bgp.peers)
    return "\n".join((HEAD + include, *((BFD,) if any(one.bfd for one in bgp.peers) else ()), *peers))


def peer_name(peer: Peer) -> str:
    return MARK + "".join(one if one.isalnum() else "_" for one in str(peer.address))


def _peer(peer: Peer, bgp: BgpSpec, password: str) -> str:
    """No graceful restart: a gateway that dies together with its speaker would stay in the ECMP set for its time."""
    own = bgp.next_hop if peer.address.version == 4 else bgp.next_hop6
    local = f"local {own} as {bgp.local_as};" if own else f"local as {bgp.local_as};"
    name = peer_name(peer)
    extra = [f"    password {_text(password)};\n"] if password else []
    extra += ["    bfd on;\n"] if peer.bfd else []
    extra += ["    ttl security on;\n"] if peer.ttl_security else []
    versions = sorted({one.version for one in bgp.prefixes})
    channels = "".join(f"    ipv{version} {{ import none; export filter {name}_out; }};\n" for version in versions)
    communities = "".join(f"    bgp_community.add(({one.replace(':', ',')}));\n" for one in peer.communities)
    return (
        f"filter {name}_out {{\n"
        f'    if proto !~ "{birdpaths.MARK}*" then reject;\n'
        f"    bgp_med = bgp_med;\n    bgp_next_hop = bgp_next_hop;\n{communities}    accept;\n}}\n"
        f"protocol bgp {name} {{\n    {local}\n    neighbor {peer.address} as {peer.asn};\n"
        f"    hold time {peer.hold_s};\n    keepalive time {max(1, peer.hold_s // 3)};\n"
        "    connect retry time 5;\n    error wait time 1, 5;\n"
        f"    graceful restart off;\n    long lived graceful restart off;\n{''.join(extra)}{channels}}}\n"
    )


def _text(value: str) -> str:
    """A string of BIRD has no escapes."""
    if '"' in value or not value.isprintable():
        raise ValueError('a password for BIRD must have no " and no control characters')
    return f'"{value}"'
