"""What the agent gives FRR where it writes neighbours and filters ([bgp] manage_daemon), and what of it is ours.

A neighbour's mark is its description, with a hash of all that we want of it. Lists and route maps carry a hash in their
names: another one is made beside the old one and takes its place at once; then the old one goes.
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from ipaddress import ip_address

from kun_nat64.model.spec import BgpSpec, Peer

MARK = "kun-nat64"
HEAD = "! Written by kun-nat64 ([bgp] manage_daemon). Changes are overwritten.\n"
NEIGHBOUR = re.compile(r"^\s*neighbor (\S+) (?:remote-as (\d+)|description (.*))$", re.MULTILINE)
# Not those of the paths, whose names go on with a prefix.
FILTERS = re.compile(
    rf"^(route-map|ip prefix-list|ipv6 prefix-list) ({MARK}-(?:own|in|out)-[0-9a-f]{{8}})\b", re.MULTILINE
)


def document(bgp: BgpSpec, passwords: Mapping[str, str], only: Collection[str] | None = None) -> str:
    """`passwords`: TCP MD5 (RFC 2385), by the peer's address. `only`: of these peers; a line given twice may fail."""
    wanted = [one for one in bgp.peers if only is None or str(one.address) in only]
    blocks = "".join(_block(one, bgp, passwords.get(str(one.address), "")) for one in wanted)
    # pool6 has no route: packets for it are translated before they are routed.
    check = " no bgp network import-check\n" if any(one.version == 6 for one in bgp.prefixes) else ""
    head = f"router bgp {bgp.local_as}\n bgp router-id {bgp.router_id}\n{check}"
    return f"{HEAD}{''.join(_filters(bgp))}{head}{blocks}exit\n"


def _filters(bgp: BgpSpec) -> Iterator[str]:
    own = _own(bgp)
    for version, family in ((4, "ip"), (6, "ipv6")):
        prefixes = [one for one in bgp.prefixes if one.version == version]
        lines = [f"permit {one}" for one in prefixes] or ["deny any"]
        yield from (f"{family} prefix-list {own} seq {5 * place} {line}\n" for place, line in enumerate(lines, 1))
    yield f"route-map {_in()} deny 10\nexit\n"
    for name, peer in {_out(peer, bgp): peer for peer in bgp.peers}.items():
        added = f" set community {' '.join(peer.communities)} additive\n" if peer.communities else ""
        for place, family in ((10, "ip"), (20, "ipv6")):
            yield f"route-map {name} permit {place}\n match {family} address prefix-list {own}\n{added}exit\n"


def _own(bgp: BgpSpec) -> str:
    return f"{MARK}-own-{_hash(*sorted(map(str, bgp.prefixes)))}"


def _in() -> str:
    return f"{MARK}-in-{_hash('in')}"


def _out(peer: Peer, bgp: BgpSpec) -> str:
    return f"{MARK}-out-{_hash(_own(bgp), *peer.communities)}"


def _hash(*words: str) -> str:
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:8]


def _block(peer: Peer, bgp: BgpSpec, password: str) -> str:
    lines = list(_lines(peer, bgp, password))
    return f"{lines[0]} neighbor {peer.address} description {description(peer, bgp, password)}\n{''.join(lines[1:])}"


def description(peer: Peer, bgp: BgpSpec, password: str) -> str:
    return f"{MARK} {_hash(*_lines(peer, bgp, password))}"


def _lines(peer: Peer, bgp: BgpSpec, password: str) -> Iterator[str]:
    """No graceful restart: a gateway that dies together with its speaker would stay in the ECMP set for its time."""
    name, own = f" neighbor {peer.address}", bgp.next_hop if peer.address.version == 4 else bgp.next_hop6
    yield f"{name} remote-as {peer.asn}\n"
    if own:
        yield f"{name} update-source {own}\n"
    yield f"{name} graceful-restart-disable\n"
    yield f"{name} timers {max(1, peer.hold_s // 3)} {peer.hold_s}\n{name} timers connect 5\n"
    if password:
        yield f"{name} password {_word(password)}\n"
    if peer.bfd:
        yield f"{name} bfd 3 300 300\n"
    if peer.ttl_security:
        yield f"{name} ttl-security hops 1\n"
    for version in (4, 6):
        wanted = any(one.version == version for one in bgp.prefixes)
        yield f" address-family ipv{version} unicast\n"
        if wanted:
            yield f" {name} activate\n {name} route-map {_in()} in\n {name} route-map {_out(peer, bgp)} out\n"
        elif version == 4:
            yield f"  no{name} activate\n"
        yield " exit-address-family\n"


def _word(password: str) -> str:
    if not password.isascii() or not password.isprintable() or " " in password:
        raise ValueError("a password for FRR must be one word of printable ASCII")
    return password


def neighbours_in(configuration: str) -> dict[str, str]:
    """Description by address, of `show running-config` of bgpd; "" for a neighbour without one."""
    found: dict[str, str] = {}
    for address, asn, words in NEIGHBOUR.findall(configuration):
        if asn:
            found.setdefault(_address(address), "")
        else:
            found[_address(address)] = words.strip()
    return found


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        return text


def stale_filters(configuration: str, wanted: str) -> list[str]:
    """Commands that remove lists and route maps of ours that `wanted` does not name; route maps first."""
    found = dict.fromkeys(FILTERS.findall(configuration))
    gone = [f"no {kind} {name}" for kind, name in found if name not in wanted]
    return sorted(gone, key=lambda command: "prefix-list" in command)


def removals(addresses: Iterable[str]) -> tuple[str, ...]:
    return ("configure terminal", "router bgp", *(f"no neighbor {address}" for address in addresses))
