"""Tenants through real Jool: own public addresses, refusals, names in the log, repairs, orders, nothing left behind.

The table is the file that a controller's stream would leave. The pod's host has four addresses: a pod of a namespace
with addresses of its own, a client of a tenant of the file, a pod that is refused, and one that nobody names.
"""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from kun_cluster.formats.record_text import Record
from kun_cluster.model.table import ClassRecord, Client, GatewayRecord, PoolRecord, Share
from lab.api import Lab
from lab.topology import Gateway
from tests.base.table_world import Controller
from tests.lab.questions import CONFIG, all_together, announced, embedded, page, plan_code

WAIT_S, BACK_S = 60.0, 120.0
WEB, BY_FILE, REFUSED, NOBODY = (f"2002:a01:2:1::1{n}" for n in range(4))
STATE, TABLE = "/var/lib/kun-nat64", "/var/lib/kun-nat64/table.jsonl"
LOG = "/var/log/kun-nat64/sessions.jsonl"
FIRST, LAST = 20480, 21503
FILE = f"""
[follow]
state_dir = "{STATE}"

[[tenant]]
name = "by-file"
networks = ["2002:a01:2:1::11/128"]
pool4 = [{{ address = "%s", ports = "2048-3071" }}]
"""
MARKED = ("jool", "-i", "kun", "pool4", "display", "--tcp", "--csv", "--no-headers")


def own_address(gateway: Gateway) -> str:
    """192.0.2.111 for gw1's 192.0.2.11."""
    head, _, last = gateway.public.rpartition(".")
    return f"{head}.{int(last) + 100}"


@dataclass
class World:
    """`records` is the table that every gateway has."""

    lab: Lab
    records: dict[tuple[str, str], Record]

    def say(self, **pods: str) -> None:
        """Replaces the table on every gateway; a name for a pod's address."""
        for address, name in pods.items():
            client = self.records["client", address]
            assert isinstance(client, Client)
            self.records["client", address] = Client(client.class_name, client.namespace, name)
        text = "".join(f"{line}\n" for line in Controller(self.records).snapshot())
        for gateway in self.lab.topology.gateways:
            self.lab.run(gateway.name, "sh", "-c", f"cat > {TABLE}.new && mv {TABLE}.new {TABLE}", stdin=text)

    def order(self, gateway: str, desired: str) -> None:
        self.records["gateway", gateway] = GatewayRecord("standard", desired, "", ())
        self.say()


def records_of(lab: Lab) -> dict[tuple[str, str], Record]:
    gateways = lab.topology.gateways
    shares = tuple(Share(own_address(one), FIRST, LAST, one.name) for one in gateways)
    return {
        ("pool", "standard"): PoolRecord("203.0.113.1", ("2002:cb00:7101::/96",), "spread", is_default=True),
        **{("gateway", one.name): GatewayRecord("standard", "serve", "", ()) for one in gateways},
        ("class", "team-00/web"): ClassRecord(
            "translate", synthesise=True, mark=7, addresses=shares, address_pool="standard", address_required=True
        ),
        ("class", "team-01/locked"): ClassRecord("deny", synthesise=False, deny=True),
        ("client", WEB): Client("team-00/web", "team-00", "web-0"),
        ("client", REFUSED): Client("team-01/locked", "team-01", "locked-0"),
    }


@pytest.fixture(scope="module")
def world(lab: Lab) -> Iterator[World]:
    all_together(lab)
    files = {gateway.name: lab.output(gateway.name, "cat", CONFIG) for gateway in lab.topology.gateways}
    for address in (BY_FILE, REFUSED, NOBODY):
        lab.run("pod", "ip", "address", "add", f"{address}/64", "dev", "eth0", "nodad")
    shared = {gateway.public for gateway in lab.topology.gateways}
    assert {seen(lab, WEB)[0] for _ in range(4)} <= shared, "without tenants everybody leaves by the shared addresses"
    made = World(lab, records_of(lab))
    try:
        made.say()
        for gateway in lab.topology.gateways:
            lab.run(gateway.name, "ip", "address", "add", f"{own_address(gateway)}/24", "dev", "eth1")
            set_file(lab, gateway.name, files[gateway.name] + FILE % gateway.public)
        yield made
    finally:
        for gateway in lab.topology.gateways:
            lab.run(gateway.name, "rm", "-f", TABLE)
            set_file(lab, gateway.name, files[gateway.name])
            lab.run(gateway.name, "ip", "address", "del", f"{own_address(gateway)}/24", "dev", "eth1", check=False)
        for address in (BY_FILE, REFUSED, NOBODY):
            lab.run("pod", "ip", "address", "del", f"{address}/64", "dev", "eth0", check=False)
        all_together(lab)


def set_file(lab: Lab, gateway: str, text: str) -> None:
    """A restart, which disturbs no flow: another [follow] wants one."""
    lab.run(gateway, "sh", "-c", f"cat > {CONFIG}", stdin=text)
    lab.restart_service(gateway, "kun-nat64")
    lab.wait_for(lambda: has_table(lab, gateway) is ("[follow]" in text), WAIT_S, f"{gateway} to take its file")
    settle(lab, gateway)


def settle(lab: Lab, gateway: str) -> None:
    lab.wait_for(lambda: plan_code(lab, gateway) == 0, WAIT_S, f"{gateway} to have nothing to change")


def has_table(lab: Lab, gateway: str) -> bool:
    return lab.run(gateway, "nft", "list", "table", "ip6", "kun-nat64-tenants", check=False).code == 0


def seen(lab: Lab, source: str) -> tuple[str, int]:
    """Address and port that a server in the IPv4 Internet sees."""
    said = page(lab, "--interface", source)
    return str(said["client"]), int(said["port"])


def test_a_namespaces_packets_leave_by_its_own_public_address(world: World) -> None:
    own = {own_address(gateway) for gateway in world.lab.topology.gateways}
    found = {seen(world.lab, WEB) for _ in range(8)}
    assert {address for address, _ in found} <= own
    assert all(FIRST <= port <= LAST for _, port in found), "by its share of the ports"
    assert all(announced(world.lab, gateway.name) for gateway in world.lab.topology.gateways), "the probes come back"


def test_a_tenant_of_the_file_has_ports_of_an_address_that_others_use_too(world: World) -> None:
    shared = {gateway.public for gateway in world.lab.topology.gateways}
    found = {seen(world.lab, BY_FILE) for _ in range(6)}
    assert {address for address, _ in found} <= shared
    assert all(2048 <= port <= 3071 for _, port in found)
    rest = {seen(world.lab, NOBODY) for _ in range(6)}
    assert {address for address, _ in rest} <= shared
    assert all(20000 <= port <= 60000 for _, port in rest)


def test_a_refused_pod_is_told_so_by_icmpv6_and_nobody_else_notices(world: World) -> None:
    lab = world.lab
    target = embedded(lab.topology.ping_server)
    said = lab.run("pod", "ping", "-6", "-n", "-c", "2", "-W", "5", "-I", REFUSED, target, check=False)
    assert "Administratively prohibited" in said.stdout, said.stdout
    assert lab.run("pod", "ping", "-6", "-n", "-c", "1", "-W", "5", "-I", NOBODY, target, check=False).code == 0
    begun = time.monotonic()
    url = f"http://www.{lab.topology.zone}/"
    got = lab.run("pod", "curl", "-sS", "-6", "--interface", REFUSED, "--max-time", "30", url, check=False)
    assert got.code != 0
    assert time.monotonic() - begun < 20, "it does not wait for a time-out"


def test_explain_names_the_pod_and_what_becomes_of_its_packets(world: World) -> None:
    lab = world.lab
    asked = ("kun-nat64", "explain", "2002:cb00:7101::c633:6450", "--config", CONFIG, "--json", "--client")
    web = json.loads(lab.output("gw1", *asked, WEB))
    assert (web["client"]["namespace"], web["client"]["pod"]) == ("team-00", "web-0")
    assert {one["address"] for one in web["public"]} == {own_address(lab.topology.gateway("gw1"))}
    refused = lab.run("gw1", *asked, REFUSED, check=False)
    assert refused.code == 1
    assert "is denied" in json.loads(refused.stdout)["client"]["dropped"]


def test_the_session_log_names_the_pod_of_that_time(world: World) -> None:
    lab = world.lab
    first = seen(lab, WEB)
    row = lab.wait_for(lambda: logged(lab, *first), WAIT_S, "the session in the log")
    assert row["orchestrator"] == {
        "type": "kubernetes",
        "namespace": "team-00",
        "resource": {"name": "web-0", "type": "pod"},
    }
    at = row["event"]["start"]
    world.say(**{WEB: "web-1"})
    lab.wait_for(lambda: client_of(lab, "gw1") == client_of(lab, "gw2") == "web-1", WAIT_S, "the new pod's name")
    time.sleep(2)
    second = seen(lab, WEB)
    row = lab.wait_for(lambda: logged(lab, *second), WAIT_S, "the second session in the log")
    assert row["orchestrator"]["resource"]["name"] == "web-1"
    gateway = next(one.name for one in lab.topology.gateways if own_address(one) == first[0])
    said = json.loads(
        lab.output(gateway, "kun-nat64", "who", f"{first[0]}:{first[1]}", "--at", at, "--proto", "tcp", "--json")
    )
    assert [one["pod"] for one in said["holders"]] == ["web-0"], "of that time, not of today"


def client_of(lab: Lab, gateway: str) -> str:
    url = f"http://localhost/client?address={WEB}"
    said = lab.output(gateway, "curl", "-sS", "--unix-socket", "/run/kun-nat64/control.sock", url)
    return str(json.loads(said)["pod"])


def logged(lab: Lab, address: str, port: int) -> dict[str, dict[str, dict[str, str]]]:
    gateway = next(one.name for one in lab.topology.gateways if own_address(one) == address)
    text = lab.run(gateway, "cat", LOG, check=False).stdout
    rows = [json.loads(line) for line in text.splitlines() if f'"port":{port}' in line]
    return next((row for row in reversed(rows) if row["source"]["nat"] == {"ip": address, "port": port}), {})


BROKEN = {
    "an element of the map": "nft flush map ip6 kun-nat64-tenants net128",
    "nobody is refused": "nft flush set ip6 kun-nat64-tenants denied",
    "the table": "nft delete table ip6 kun-nat64-tenants",
}


@pytest.mark.parametrize("words", BROKEN.values(), ids=BROKEN)
def test_what_others_change_is_mended(world: World, words: str) -> None:
    lab = world.lab
    before = elements(lab)
    lab.run("gw1", "sh", "-c", words)
    assert elements(lab) != before
    lab.wait_for(lambda: elements(lab) == before, WAIT_S, "the table to be as it was")


def elements(lab: Lab) -> str:
    """Without counters."""
    text = lab.run("gw1", "nft", "list", "table", "ip6", "kun-nat64-tenants", check=False).stdout
    return re.sub(r"packets \d+ bytes \d+", "", text)


def test_a_removed_pool4_entry_of_a_tenant_is_put_back(world: World) -> None:
    lab = world.lab
    before = sorted(lab.output("gw1", *MARKED).splitlines())
    own, mark = own_address(lab.topology.gateway("gw1")), str(0x4B000007)
    assert any(line.startswith(f"{mark},") and own in line for line in before)
    remove = ("pool4", "remove", f"{own}/32", f"{FIRST}-{LAST}", "--tcp", "--mark", mark, "--quick")
    lab.run("gw1", "jool", "-i", "kun", *remove)
    assert sorted(lab.output("gw1", *MARKED).splitlines()) != before
    lab.wait_for(lambda: sorted(lab.output("gw1", *MARKED).splitlines()) == before, WAIT_S, "the entry to be back")


def test_the_table_takes_a_gateway_out_and_brings_it_back(world: World) -> None:
    lab = world.lab
    all_together(lab)
    world.order("gw3", "out")
    try:
        lab.wait_for(lambda: not announced(lab, "gw3"), WAIT_S, "gw3 out of the ECMP set")
        status = json.loads(lab.run("gw3", "kun-nat64", "status", "--json", check=False).stdout)
        assert (status["drain"]["phase"], status["drain"]["by_table"]) == ("drained", True)
        assert seen(lab, WEB)[0] != own_address(lab.topology.gateway("gw3"))
    finally:
        world.order("gw3", "serve")
    lab.wait_for(lambda: announced(lab, "gw3"), BACK_S, "gw3 back")
    all_together(lab)


def test_a_teardown_leaves_no_tenant_behind(world: World) -> None:
    lab, name = world.lab, "gw3"
    assert has_table(lab, name)
    assert str(0x4B000007) in lab.output(name, *MARKED)
    lab.end(name, "kun-nat64")
    try:
        lab.run(name, "kun-nat64", "teardown", "--config", CONFIG)
        assert "kun-nat64" not in lab.output(name, "nft", "list", "tables")
        assert lab.run(name, "jool", "-i", "kun", "global", "display", check=False).code != 0
    finally:
        lab.start_service(name, "kun-nat64")
    lab.wait_for(lambda: announced(lab, name), BACK_S, "gw3 back")
    assert has_table(lab, name)
    settle(lab, name)
    all_together(lab)
