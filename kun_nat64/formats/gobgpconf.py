"""gobgpd.conf: the speaker's neighbours, and policies that let nothing but our own prefixes out, and nothing in."""

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network

from kun_nat64.model.spec import BgpSpec, Peer

HEAD = "# Written by kun-nat64 ([bgp] manage_daemon). Changes are overwritten.\n"
Prefix = IPv4Network | IPv6Network


def document(bgp: BgpSpec, passwords: Mapping[str, str]) -> str:
    """`passwords`: TCP MD5 (RFC 2385), by the peer's address."""
    families = sorted({f"ipv{one.version}-unicast" for one in bgp.prefixes})
    neighbours = (_neighbour(one, bgp, families, passwords.get(str(one.address), "")) for one in bgp.peers)
    sets = (*_prefix_sets(bgp.prefixes), *_neighbour_sets(bgp.peers))
    return "\n".join((HEAD + global_section(bgp), *neighbours, *sets, _policies(bgp)))


def global_section(bgp: BgpSpec) -> str:
    """What a running daemon does not take from a changed file. It dials out, and never listens.

    Paths of the API pass the import policy too: without "local-only" they would be taken and go nowhere.
    """
    return f"""[global.config]
  as = {bgp.local_as}
  router-id = "{bgp.router_id}"
  port = -1
[global.apply-policy.config]
  import-policy-list = ["local-only"]
  default-import-policy = "reject-route"
  export-policy-list = ["vip-only"]
  default-export-policy = "reject-route"
"""


def _neighbour(peer: Peer, bgp: BgpSpec, families: list[str], password: str) -> str:
    """No graceful restart: a gateway that dies together with its speaker would stay in the ECMP set for its time."""
    secret = f"    auth-password = {_text(password)}\n" if password else ""
    own = bgp.next_hop if peer.address.version == 4 else bgp.next_hop6
    local = f'  [neighbors.transport.config]\n    local-address = "{own}"\n' if own else ""
    afi_safis = "".join(
        f'  [[neighbors.afi-safis]]\n    [neighbors.afi-safis.config]\n      afi-safi-name = "{family}"\n'
        for family in families
    )
    return f"""[[neighbors]]
  [neighbors.config]
    neighbor-address = "{peer.address}"
    peer-as = {peer.asn}
{secret}{local}  [neighbors.timers.config]
    hold-time = {peer.hold_s}
    keepalive-interval = {max(1, peer.hold_s // 3)}
    connect-retry = 5
    idle-hold-time-after-reset = 5
  [neighbors.graceful-restart.config]
    enabled = false
{TTL_SECURITY if peer.ttl_security else ""}{BFD if peer.bfd else ""}{afi_safis}"""


TTL_SECURITY = """\
  [neighbors.ttl-security.config]
    enabled = true
    ttl-min = 255
"""
# GoBGP before 4.6 refuses the file, and says so.
BFD = """\
  [neighbors.bfd.config]
    enabled = true
    desired-minimum-tx-interval = 300000
    required-minimum-receive = 300000
    detection-multiplier = 3
"""


def _neighbour_sets(peers: tuple[Peer, ...]) -> Iterator[str]:
    for place, peer in enumerate(peers):
        if peer.communities:
            yield (
                f'[[defined-sets.neighbor-sets]]\n  neighbor-set-name = "peer{place}"\n'
                f'  neighbor-info-list = ["{peer.address}"]\n'
            )


def _communities(peers: tuple[Peer, ...]) -> Iterator[str]:
    """Added to what goes to one peer; no disposition, so that the statements after it decide."""
    for place, peer in enumerate(peers):
        if peer.communities:
            yield f"""  [[policy-definitions.statements]]
    name = "communities-of-peer{place}"
    [policy-definitions.statements.conditions.match-neighbor-set]
      neighbor-set = "peer{place}"
      match-set-options = "any"
    [policy-definitions.statements.actions.bgp-actions.set-community]
      options = "add"
      [policy-definitions.statements.actions.bgp-actions.set-community.set-community-method]
        communities-list = {list(peer.communities)}
"""


def _prefix_sets(prefixes: tuple[Prefix, ...]) -> Iterator[str]:
    """One set for each family: a set of both is refused."""
    for version in sorted({one.version for one in prefixes}):
        entries = "".join(
            f'  [[defined-sets.prefix-sets.prefix-list]]\n    ip-prefix = "{one}"\n'
            for one in prefixes
            if one.version == version
        )
        yield f'[[defined-sets.prefix-sets]]\n  prefix-set-name = "own{version}"\n{entries}'


def _policies(bgp: BgpSpec) -> str:
    own = "".join(_communities(bgp.peers)) + "".join(
        f"""  [[policy-definitions.statements]]
    name = "accept-own{version}"
    [policy-definitions.statements.conditions.match-prefix-set]
      prefix-set = "own{version}"
      match-set-options = "any"
    [policy-definitions.statements.actions]
      route-disposition = "accept-route"
"""
        for version in sorted({one.version for one in bgp.prefixes})
    )
    return f"""[[policy-definitions]]
  name = "local-only"
  [[policy-definitions.statements]]
    name = "accept-local"
    [policy-definitions.statements.conditions.bgp-conditions]
      route-type = "local"
    [policy-definitions.statements.actions]
      route-disposition = "accept-route"

[[policy-definitions]]
  name = "vip-only"
{own}"""


def _text(value: str) -> str:
    """A TOML basic string."""
    escaped = "".join(
        f"\\u{ord(one):04x}" if ord(one) < 32 or one in '"\\' or ord(one) == 127 else one for one in value
    )
    return f'"{escaped}"'
