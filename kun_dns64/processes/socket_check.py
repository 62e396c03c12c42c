"""What an operator should hear about the listening sockets at start. Warns of each, and refuses nothing."""

from collections.abc import Iterable, Sequence

from kun_base.journal import Journal
from kun_dns64.config.settings import Address, Settings
from kun_dns64.transport.sharding import by_address, sockets_of_port
from kun_dns64.transport.sockets import Listening

HANDED = "sockets from systemd take precedence: write the same addresses into its socket unit and into [server] listen"
SHARED = "queries are spread over all processes of this port: end the others, unless one takes over from the other"


def check_sockets(settings: Settings, sets: Sequence[Sequence[Listening]], journal: Journal) -> None:
    """`sets`: the sockets of each worker, bound or handed over, before they are served."""
    served = {(one.endpoint, one.tls) for one in sets[0]}
    if any(one.handed for one in sets[0]) and served != settings.addresses:
        told = {"configured": _shown(settings.addresses), "handed_over": _shown(served)}
        journal.warning("listen-not-in-force", **told, advice=HANDED)
    for address, others in _shared(sets):
        journal.warning("port-shared", listen=address, other_sockets=others, advice=SHARED)


def _shared(sets: Sequence[Sequence[Listening]]) -> Iterable[tuple[str, int]]:
    """Addresses where sockets of other processes get queries too (SO_REUSEPORT). None where /proc does not tell."""
    for address, sockets in by_address(sets).items():
        try:
            others = sockets_of_port(sockets[0]) - len(sockets)
        except OSError:
            return
        if others > 0:
            yield address, others


def _shown(addresses: Iterable[Address]) -> str:
    return " ".join(sorted(f"{endpoint} (TLS)" if tls else str(endpoint) for endpoint, tls in addresses))
