"""CZ.NIC Knot Resolver."""

from bench.names import PREFIX
from bench.peers.peer import Launch, Peer, Terms, cache_mib

# The unloaded modules would talk to the Internet or only fill the log.
CONFIG = """\
net.ipv6 = false
net.listen('127.0.0.1', {port}, {{ kind = 'dns' }})
trust_anchors.remove('.')
modules.unload('priming')
modules.unload('ta_update')
modules.unload('ta_signal_query')
modules.unload('detect_time_skew')
modules.unload('detect_time_jump')
log_level('crit')
cache.size = {cache} * MB
modules.load('dns64')
dns64.config('{prefix}')
policy.add(policy.all(policy.FORWARD('127.0.0.1@{upstream}')))
"""


def setup(program: str, terms: Terms) -> Launch:
    text = CONFIG.format(port=terms.port, cache=cache_mib(terms.entries), prefix=PREFIX, upstream=terms.upstream_port)
    command = (program, "--noninteractive", "--config=kresd.conf", str(terms.folder))
    return Launch((command,) * terms.workers, {"kresd.conf": text})


KNOT = Peer(
    key="knot",
    title="Knot Resolver",
    program="kresd",
    package="knot-resolver",
    setup=setup,
    version_argv=("-V",),
    version_pattern=r"version (\S+)",
    note="`policy.FORWARD` (with STUB its dns64 asks the root for the A), no trust anchor; a worker: a process.",
)
