"""Choose, once for a process, the compiled parts or their plain Python twins: all of them compiled, or none.

| compiled part | its plain twin | the test that holds them together |
|---|---|---|
| udp_batch.pyx | transport/udp_server.py | tests/dns64/transport/test_listeners.py |
| port_pool.pyx | transport/portpool.py, transport/randomness.py | tests/dns64/transport/test_ports.py |
| client_lookup.pyx | policy/network_index.py | tests/dns64/policy/test_client_table.py |
| stores.pyx | cache/generations.py | tests/dns64/cache/test_stores.py |
| reply_lookup.pyx | serving/reply_lookup.py, cache/reply_cache.py | tests/dns64/cache/test_memo.py |
| miss_path.pyx, wire.pyx | serving/resolution.py, formats/ | tests/dns64/cache/test_misspath.py |

Rules do not exist twice: policy/lifetime.py, policy/retransmission.py, policy/zone_share.py and formats/reply_size.py
are compiled as they stand, typed by the .pxd beside each. Where things stand in packets and entries says layout.pxd,
which is compared with the Python files' constants at import.
"""

import importlib.util
import os
from dataclasses import dataclass
from importlib.machinery import EXTENSION_SUFFIXES
from typing import TYPE_CHECKING, Any

from kun_dns64.cache.generations import Generations
from kun_dns64.transport.portpool import PLAIN_PORTS, PortTypes

if TYPE_CHECKING:
    from kun_dns64.fastpath.udp_batch import Batch

MODULES = (
    "kun_dns64.fastpath.client_lookup",
    "kun_dns64.fastpath.miss_path",
    "kun_dns64.fastpath.port_pool",
    "kun_dns64.fastpath.reply_lookup",
    "kun_dns64.fastpath.stores",
    "kun_dns64.fastpath.udp_batch",
    "kun_dns64.fastpath.wire",
    "kun_dns64.formats.reply_size",
    "kun_dns64.policy.lifetime",
    "kun_dns64.policy.retransmission",
    "kun_dns64.policy.zone_share",
)


def _is_compiled(name: str) -> bool:
    """Whether `import` finds machine code. Of a rule with one source it may find the Python file instead."""
    spec = importlib.util.find_spec(name)
    return spec is not None and str(spec.origin).endswith(tuple(EXTENSION_SUFFIXES))


# KUN_PURE_PYTHON=1 asks for the plain parts. Rules with one source are imported compiled all the same.
COMPILED = "KUN_PURE_PYTHON" not in os.environ and all(_is_compiled(name) for name in MODULES)


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts that exist twice. `batch` None: the listeners of transport/udp_server.py read one datagram a call."""

    compiled: bool
    store: type[Generations[Any]]
    ports: PortTypes
    batch: "type[Batch] | None"


PLAIN = Parts(False, Generations, PLAIN_PORTS, None)


def choose_parts() -> Parts:
    """Return the parts for this process. Call it where the program is put together, and pass the result on."""
    if not COMPILED:
        return PLAIN
    from kun_dns64.fastpath import port_pool, stores, udp_batch

    return Parts(True, stores.Generations, PortTypes(port_pool.Randomness, port_pool.PortPool), udp_batch.Batch)
