"""BIRD's include file with the paths we announce: a static protocol for each, so that each can be disabled.

A protocol's name is our mark. Its preference is above that of `direct` (240): the VIP is on the loopback as well, and
BIRD sends only the best route for a prefix.
"""

import re
from ipaddress import IPv4Network, IPv6Network

from kun_nat64.model.bgpfacts import BgpPath

MARK = "kun_nat64_"
HEAD = "# Written by kun-nat64: the paths that it announces now. Changes are overwritten.\n"
PREFERENCE = 250
BLOCK = re.compile(rf"^protocol static ({MARK}\w+) {{\n.*?^}}\n", re.MULTILINE | re.DOTALL)


def protocol_name(prefix: IPv4Network | IPv6Network) -> str:
    """kun_nat64_203_0_113_1_32 for 203.0.113.1/32."""
    return MARK + re.sub(r"\W", "_", str(prefix))


def with_path(text: str, path: BgpPath) -> str:
    return _document(_blocks(text) | {protocol_name(path.prefix): _block(path)})


def without(text: str, prefix: IPv4Network | IPv6Network) -> str:
    name = protocol_name(prefix)
    return _document({one: block for one, block in _blocks(text).items() if one != name})


def _blocks(text: str) -> dict[str, str]:
    return {found[1]: found[0] for found in BLOCK.finditer(text)}


def _document(blocks: dict[str, str]) -> str:
    """ "" where there is no path: no file is needed then."""
    return HEAD + "".join(blocks[name] for name in sorted(blocks)) if blocks else ""


def _block(path: BgpPath) -> str:
    """Attributes as BIRD sends them; the operator's export filter lets them through (docs/nat64-operations.md)."""
    communities = "".join(f" bgp_community.add(({one.replace(':', ',')}));" for one in path.communities)
    med = "" if path.med is None else f" bgp_med = {path.med};"
    return (
        f"protocol static {protocol_name(path.prefix)} {{\n"
        f"    ipv{path.prefix.version} {{ preference {PREFERENCE}; }};\n"
        f"    route {path.prefix} blackhole {{\n"
        f"        bgp_origin = ORIGIN_{path.origin.upper()}; bgp_next_hop = {path.next_hop};{med}{communities}\n"
        "    };\n"
        "}\n"
    )
