"""sysctl.d and modules-load.d: every key known to a kernel, and agreeing with what the agent wants."""

import re
import tomllib
from pathlib import Path

import pytest

from kun_dns64.transport.sockets import RECEIVE_BUFFER
from kun_nat64.config.resolve import SYSCTLS
from kun_nat64.policy.portranges import BORROWED_FIRST

CONFIG = Path(__file__).parent.parent.parent / "gateway-config"
FILES = sorted((CONFIG / "sysctl.d").glob("*.conf"))
# Present only where the module or the kernel option is.
NOT_EVERYWHERE = {
    "net.netfilter.nf_conntrack_max",
    "net.core.default_qdisc",
    "net.core.netdev_max_backlog",
    "net.core.rmem_max",
}


def settings(file: Path) -> dict[str, str]:
    lines = (line.split("#")[0].strip() for line in file.read_text().splitlines())
    pairs = (line.lstrip("-").split("=", 1) for line in lines if line)
    return {key.strip(): value.strip() for key, value in pairs}


GATEWAY = settings(CONFIG / "sysctl.d" / "60-kun-nat64.conf")


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_the_kernel_knows_every_key(file: Path) -> None:
    # Network namespaces of a container show only a part of net.core.
    missing = {key for key in settings(file) if not Path("/proc/sys", *key.split(".")).exists()}
    assert missing <= NOT_EVERYWHERE


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_sysctl_reads_every_line(file: Path, tool, run) -> None:
    # --dry-run of procps prints what it would write, and complains about lines it cannot read.
    read = run(tool("sysctl", "procps"), "--dry-run", "--ignore", "-p", file)
    assert "malformed" not in read.stderr
    assert "invalid syntax" not in read.stderr


def test_what_holds_from_boot_on_is_what_the_agent_wants() -> None:
    assert {name: GATEWAY.get(name) for name in SYSCTLS} == SYSCTLS


def test_the_hosts_own_ports_keep_out_of_pool4_and_of_what_jool_takes_without_one() -> None:
    pool4 = tomllib.loads((CONFIG / "kun-nat64.toml").read_text())["nat64"]["pool4"]
    first_own, last_own = map(int, GATEWAY["net.ipv4.ip_local_port_range"].split())
    for entry in pool4:
        first, last = map(int, entry["ports"].split("-"))
        assert last < first_own or first > last_own
    assert first_own + 500 < last_own < BORROWED_FIRST


def test_a_dns_host_grants_the_receive_buffer_that_is_asked_for() -> None:
    granted = settings(CONFIG / "sysctl.d" / "60-kun-dns64.conf")["net.core.rmem_max"]
    assert int(granted) >= RECEIVE_BUFFER


def test_no_queue_discipline_that_jool_4_1_9_cannot_live_with() -> None:
    assert GATEWAY["net.core.default_qdisc"] != "fq"


def test_the_router_does_not_spread_by_flow_label() -> None:
    tor = settings(CONFIG / "sysctl.d" / "60-kun-tor.conf")
    fields = int(tor["net.ipv4.fib_multipath_hash_fields"], 0)
    inner_flow_label, inner_addresses_and_ports = 0x0200, 0x0040 | 0x0080 | 0x0400 | 0x0800
    assert not fields & inner_flow_label
    assert fields & inner_addresses_and_ports == inner_addresses_and_ports


def test_modules_are_those_the_agent_wants() -> None:
    lines = (CONFIG / "modules-load.d" / "kun-nat64.conf").read_text().splitlines()
    assert {line for line in lines if line and not line.startswith("#")} == {"sit", "jool"}
    prepare = (CONFIG / "systemd" / "kun-nat64-unit").read_text()
    assert re.search(r"^ *modprobe -a sit jool( \|\| true)?$", prepare, re.MULTILINE)
