"""The shipped Deployment fits its memory limit: every bound added up, with a margin."""

import tomllib
from pathlib import Path

import yaml

from kun_dns64.config.file import ConfigFile
from kun_dns64.policy.memory_share import MIB, default_bytes
from kun_dns64.transport.connections import MOST_CLOGGED
from kun_dns64.transport.sockets import SEND_BUFFER
from kun_dns64.transport.tcp_server import MAX_UNSENT

MANIFEST = Path(__file__).resolve().parents[3] / "gateway-config" / "kubernetes" / "kun-dns64.yaml"
UNITS = {"Mi": MIB, "Gi": 1024 * MIB}
# As measured: an interpreter with all that is imported; what is known of sources and replies of a second (8 MiB); a
# question that is out, with the query that waits for it.
PROCESS, OF_A_WORKER, OUT = 60 * MIB, 32 * MIB, 4096
# What stores may take beyond what they count (test_memory.py).
GROWTH, MARGIN = 1.3, 0.15
LARGEST_ANSWER = 64 * 1024
# The kernel takes twice what it is asked for.
KERNEL = 2 * SEND_BUFFER


def test_the_pods_limit_holds_all_bounds_and_a_margin() -> None:
    objects = {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(MANIFEST.read_text())}
    container = objects["Deployment", "kun-dns64"]["spec"]["template"]["spec"]["containers"][0]
    limit = bytes_of(container["resources"]["limits"]["memory"])
    file = ConfigFile.model_validate(tomllib.loads(objects["ConfigMap", "kun-dns64"]["data"]["kun-dns64.toml"]))
    workers = file.server.workers
    assert workers > 0
    stores = (file.cache.max_bytes or default_bytes(limit)) * GROWTH
    # Where no client reads: beyond the clogged connections the others hold what does not clog them yet.
    others = max(0, file.server.tcp_max_connections - MOST_CLOGGED)
    unsent = MOST_CLOGGED * (MAX_UNSENT + LARGEST_ANSWER + KERNEL) + others * (MAX_UNSENT + KERNEL)
    processes = (workers + 1) * PROCESS + workers * OF_A_WORKER
    assert stores + processes + unsent + file.upstream.max_outstanding * OUT < (1 - MARGIN) * limit


def bytes_of(quantity: str) -> int:
    """Read a quantity of Kubernetes."""
    return int(quantity[:-2]) * UNITS[quantity[-2:]]
