"""Messages of GoBGP's gRPC API, of versions 3 (apipb.GobgpApi) and 4 (api.GoBgpService).

Between the two, enums of tables were renumbered, and attributes moved from google.protobuf.Any into a union. Numbers
of fields come from api/gobgp.proto and api/attribute.proto of GoBGP 3.10 and 4.8.
"""

from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from kun_nat64.formats.protobuf import Message, message, number, numbers, text
from kun_nat64.formats.table import FormatError
from kun_nat64.model.bgpfacts import BgpPath, Neighbour

ANY_URL = "type.googleapis.com/apipb."
ORIGINS = ("igp", "egp", "incomplete")
# Numbers of session_state, the same in both versions (admin_state is not).
STATES = ("unknown", "idle", "connect", "active", "opensent", "openconfirm", "established")
SELF = ("0.0.0.0", "::", "")
# Of graceful restart (RFC 4724), where gobgpd.conf says no time: the hold time.
DEFAULT_RESTART_S = 90


@dataclass(frozen=True, slots=True)
class Dialect:
    """`attributes`: the place of each kind in version 4's union; version 3 names the kind in words."""

    service: str
    global_table: int
    adj_out_table: int
    union: bool


V3 = Dialect("apipb.GobgpApi", global_table=0, adj_out_table=3, union=False)
V4 = Dialect("api.GoBgpService", global_table=1, adj_out_table=4, union=True)
PLACES = {
    "OriginAttribute": 2,
    "NextHopAttribute": 4,
    "MultiExitDiscAttribute": 5,
    "CommunitiesAttribute": 9,
    "MpReachNLRIAttribute": 12,
    "IPAddressPrefix": 1,
}
NAMES = {place: name for name, place in PLACES.items() if name != "IPAddressPrefix"}


@dataclass(frozen=True, slots=True)
class FoundPath:
    """A path of the speaker's table; `local`: injected here, by us or by another hand."""

    path: BgpPath
    local: bool


def add_path(dialect: Dialect, path: BgpPath) -> bytes:
    return number(1, dialect.global_table) + message(3, _path(dialect, path))


def delete_path(dialect: Dialect, path: BgpPath) -> bytes:
    return number(1, dialect.global_table) + message(3, _family(path)) + message(4, _path(dialect, path))


def list_paths(dialect: Dialect, version: int, neighbour: str = "") -> bytes:
    """The global table of IPv4 or IPv6, or what goes to one neighbour."""
    table = dialect.adj_out_table if neighbour else dialect.global_table
    return number(1, table) + text(2, neighbour) + message(3, _family_of(version))


def list_peers() -> bytes:
    return b""


def _path(dialect: Dialect, path: BgpPath) -> bytes:
    prefix = number(1, path.prefix.prefixlen) + text(2, str(path.prefix.network_address))
    nlri = _kind(dialect, "IPAddressPrefix", prefix)
    attributes = [_kind(dialect, "OriginAttribute", number(1, ORIGINS.index(path.origin)))]
    if path.prefix.version == 4:
        attributes.append(_kind(dialect, "NextHopAttribute", text(1, str(path.next_hop))))
    else:
        reach = message(1, _family(path)) + text(2, str(path.next_hop)) + message(3, nlri)
        attributes.append(_kind(dialect, "MpReachNLRIAttribute", reach))
    if path.med is not None:
        attributes.append(_kind(dialect, "MultiExitDiscAttribute", number(1, path.med)))
    if path.communities:
        values = tuple(map(_community_number, path.communities))
        attributes.append(_kind(dialect, "CommunitiesAttribute", numbers(1, values)))
    return message(1, nlri) + b"".join(message(2, one) for one in attributes) + message(9, _family(path))


def _kind(dialect: Dialect, name: str, content: bytes) -> bytes:
    if dialect.union:
        return message(PLACES[name], content)
    return text(1, ANY_URL + name) + text(2, content)


def _family(path: BgpPath) -> bytes:
    return _family_of(path.prefix.version)


def _family_of(version: int) -> bytes:
    """AFI 1 is IPv4, AFI 2 IPv6; SAFI 1 is unicast."""
    return number(1, 1 if version == 4 else 2) + number(2, 1)


def _community_number(community: str) -> int:
    high, low = community.split(":")
    return int(high) << 16 | int(low)


def read_paths(dialect: Dialect, data: bytes, own_next_hop: str) -> list[FoundPath]:
    """One answer of ListPath: a destination with its paths. Next hop 0.0.0.0 means the speaker itself."""
    destination = Message(data).message(1)
    prefix = destination.text(1)
    return [_read_path(dialect, prefix, path, own_next_hop) for path in destination.messages(2)]


def _read_path(dialect: Dialect, prefix: str, path: Message, own_next_hop: str) -> FoundPath:
    held = dict(_read_attribute(dialect, one) for one in path.messages(2))
    next_hop = held.get("NextHopAttribute", Message(b"")).text(1) or held.get(
        "MpReachNLRIAttribute", Message(b"")
    ).text(2)
    med = held.get("MultiExitDiscAttribute")
    try:
        fact = BgpPath(
            prefix=ip_network(prefix),
            next_hop=ip_address(own_next_hop if next_hop in SELF else next_hop),
            med=None if med is None else med.number(1),
            communities=_communities(held.get("CommunitiesAttribute", Message(b"")).numbers(1)),
            origin=ORIGINS[held["OriginAttribute"].number(1) if "OriginAttribute" in held else 2],
        )
    except (ValueError, IndexError) as error:
        raise FormatError("a path of GoBGP", f"{prefix}: {error}") from None
    return FoundPath(fact, local=_is_nobody(path.text(15)))


def _read_attribute(dialect: Dialect, attribute: Message) -> tuple[str, Message]:
    if not dialect.union:
        return attribute.text(1).removeprefix(ANY_URL), attribute.message(2)
    for place, name in NAMES.items():
        if attribute.has(place):
            return name, attribute.message(place)
    return "", Message(b"")


def _communities(values: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(sorted(f"{value >> 16}:{value & 0xFFFF}" for value in values))


def _is_nobody(address: str) -> bool:
    """Version 4 writes "invalid IP" for a path that no neighbour sent."""
    return address in ("", "invalid IP", "<nil>")


def read_prefix(data: bytes) -> str:
    """Of one answer of ListPath."""
    return Message(data).message(1).text(1)


def read_peer(data: bytes) -> Neighbour:
    """One answer of ListPeer. What else stands there (a password in clear) is not taken over."""
    peer = Message(data).message(1)
    conf, state, timers = peer.message(2), peer.message(5), peer.message(6).message(2)
    session, restart = state.number(13), peer.message(9)
    # A neighbour named by its interface has an address in its state only.
    address = state.text(5) if _is_nobody(conf.text(4)) else conf.text(4)
    if session >= len(STATES) or not address:
        raise FormatError("a neighbour of GoBGP", f"session state {session} of {address!r}")
    return Neighbour(
        address=address,
        asn=conf.number(5),
        state=STATES[session],
        established=STATES[session] == "established",
        hold_s=timers.number(5) or None,
        up_since=timers.message(6).number(1) or None,
        restart_s=(restart.number(2) or DEFAULT_RESTART_S) if restart.number(1) else 0,
    )
