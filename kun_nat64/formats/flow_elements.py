"""Elements of the sets of flows (nftables.py): what Jool knows already, as documents for `nft -f`."""

import json
from collections.abc import Iterable, Iterator

from kun_nat64.formats.nftables import SETS, TABLE
from kun_nat64.formats.table import FormatError
from kun_nat64.model.joolfacts import Protocol
from kun_nat64.model.resetfacts import FlowWatch
from kun_nat64.model.traffic import Session

# Sets that a session is put in, by Jool's state, beside `flows`.
MARKED = {"V6_FIN_RCV": "fin6", "V4_FIN_RCV": "fin4", "TRANS": "trans", "V4_FIN_V6_FIN_RCV": "ended"}
OPENING = ("V6_INIT", "V4_INIT")
# Many elements make one transaction slow and its netlink message large.
SEEDS_AT_ONCE = 5000


def seeds(sessions: Iterable[Session], watch: FlowWatch) -> Iterator[str]:
    """Documents that make the flows known that Jool has sessions for, each in its state and for its time."""
    elements: dict[str, list[str]] = {name: [] for name in SETS}
    for session in sessions:
        key = f"{session.inside.address} . {session.inside.port} . {session.target.address} . {session.target.port}"
        element = f"{key} timeout {_seed_s(session, watch)}s"
        for name in ("init",) if session.state in OPENING else ("flows", MARKED.get(session.state, "")):
            if name:
                elements[name].append(element)
                if len(elements[name]) == SEEDS_AT_ONCE:
                    yield _adding(name, elements[name])
                    elements[name] = []
    yield from (_adding(name, some) for name, some in elements.items() if some)


def _seed_s(session: Session, watch: FlowWatch) -> int:
    """What is left of an ESTABLISHED flow is followed by Jool's TRANS; as `established_s` has it."""
    more = watch.established_s - watch.longest_s if session.state not in MARKED else watch.longer_s
    return max(1, min(int(session.expires_s) + 1 + more, watch.established_s))


def datagram_seeds(sessions: Iterable[Session], watch: FlowWatch) -> Iterator[str]:
    """The same for UDP: in a ring a gateway has to know which flows are its own."""
    elements = [
        f"{one.inside.address} . {one.inside.port} . {one.target.address} . {one.target.port}"
        f" timeout {max(1, min(int(one.expires_s) + 1 + watch.longer_s, watch.udp_s))}s"
        for one in sessions
    ]
    for begin in range(0, len(elements), SEEDS_AT_ONCE):
        yield _adding("datagrams", elements[begin : begin + SEEDS_AT_ONCE])


def _adding(name: str, elements: Iterable[str]) -> str:
    return f"add element {TABLE} {name} {{ {', '.join(elements)} }}\n"


def gap(protocol: Protocol) -> str:
    """Says that the account is not whole: then nothing is reset, for as long as a flow may go on."""
    return f"add element {TABLE} gaps {{ {protocol} }}\n"


def elements(text: str) -> int:
    """How many a set has, as `nft -j list set` prints it. Raises FormatError."""
    try:
        return sum(len(each["set"].get("elem", ())) for each in json.loads(text)["nftables"] if "set" in each)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FormatError("output of nft -j", text[:80]) from error
