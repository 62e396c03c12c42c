"""The servers that are compared, one file each, all on equal terms (bench/README.md)."""

from bench.peers.bind import BIND
from bench.peers.coredns import COREDNS
from bench.peers.echo import ECHO
from bench.peers.knot import KNOT
from bench.peers.kun import KUN
from bench.peers.peer import Launch, Peer, Terms
from bench.peers.powerdns import POWERDNS
from bench.peers.unbound import UNBOUND

PEERS = (KUN, UNBOUND, BIND, POWERDNS, KNOT, COREDNS, ECHO)

__all__ = ["PEERS", "Launch", "Peer", "Terms"]
