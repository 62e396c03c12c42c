"""What the controller's table means for a gateway beside its file, and what it may not say."""

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv6Address
from typing import Any

import pytest

from kun_base.table_fields import TableFault
from kun_base.table_intake import RemovalBounds, TableIntake
from kun_base.table_lines import read_line
from kun_cluster.formats.record_text import Record
from kun_cluster.model.table import ClassRecord, Client, GatewayRecord, PoolRecord, Share
from kun_nat64.config.load import from_data
from kun_nat64.model.drain import SERVING, Drain, Phase
from kun_nat64.model.spec import AgentSpec, Tenant
from kun_nat64.policy.drain import follows
from kun_nat64.policy.table_guard import GatewayBounds
from kun_nat64.policy.table_merge import TableRecords, merged, ordered, with_changes
from kun_nat64.policy.tenants import tenant_table
from tests.base.table_world import Controller

Records = dict[tuple[str, str], Record]
VIP = "203.0.113.1"
BASE: Records = {
    ("pool", "standard"): PoolRecord(VIP, ("2002:cb00:7101::/96",), "spread", is_default=True),
    ("pool", "other"): PoolRecord("203.0.113.129", ("2002:cb00:7181::/96",), "spread"),
    ("gateway", "gw1"): GatewayRecord("standard", "serve", "", (Share("192.0.2.20", 1024, 65535, "gw1"),)),
    ("class", "default"): ClassRecord("translate", synthesise=True),
    ("client", "2002:a01:2::/64"): Client("default", "", "node/n1"),
}


def dedicated(*shares: Share, pool: str = "standard", required: bool = True, mark: int = 7, **more: Any) -> ClassRecord:
    return ClassRecord(
        "translate", synthesise=True, mark=mark, addresses=shares, address_pool=pool, address_required=required, **more
    )


def share(last: int, gateway: str = "gw1", first: int = 1024) -> Share:
    return Share(f"192.0.2.{last}", first, first + 1023, gateway)


def intake_of(records: Records) -> TableIntake:
    intake = TableIntake()
    intake.connected("", "all")
    for line in Controller(records).snapshot():
        intake.take(read_line(line.encode()), 0.0)
    return intake


def with_table(spec: AgentSpec, more: Records, base: Records = BASE) -> AgentSpec:
    table = intake_of({**base, **more}).table
    networks = with_changes({}, dict(table.clients))
    return merged(spec, TableRecords(table.pools, table.gateways, table.classes), networks)


def tenant(spec: AgentSpec, name: str) -> Tenant | None:
    return next((one for one in spec.tenants if one.name == name), None)


def web(record: ClassRecord) -> Records:
    return {("class", "team-00/web"): record, ("client", "2002:a01:2:1::10"): Client("team-00/web", "team-00", "web-0")}


def test_the_shared_addresses_are_the_tables_and_the_files_only_without_any(spec: AgentSpec) -> None:
    assert [str(one.address) for one in with_table(spec, {}).nat64.pool4] == ["192.0.2.20"]
    none = {("gateway", "gw1"): GatewayRecord("standard", "serve", "", ())}
    assert with_table(spec, none).nat64 == spec.nat64


def test_a_class_with_a_share_here_has_its_mark_and_ports(spec: AgentSpec) -> None:
    one = tenant(with_table(spec, web(dedicated(share(30), share(31, "gw2")))), "team-00/web")
    assert one is not None
    assert (one.number, one.deny) == (7, False)
    assert [(str(part.address), part.first_port, part.last_port) for part in one.pool4] == [("192.0.2.30", 1024, 2047)]


@pytest.mark.parametrize(
    ("record", "denied", "marked"),
    [
        pytest.param(ClassRecord("deny", synthesise=False, deny=True), True, True, id="refused"),
        pytest.param(dedicated(share(31, "gw2")), True, True, id="no share here, and one is required"),
        pytest.param(dedicated(share(31, "gw2"), required=False), False, False, id="no share here: everybody's"),
        pytest.param(dedicated(share(31, "gwX"), pool="other"), False, False, id="addresses of another pool"),
        pytest.param(dedicated(share(31, "")), False, True, id="active-standby: whoever holds the VIP"),
        pytest.param(ClassRecord("native", synthesise=False), False, False, id="nothing for a gateway"),
        pytest.param(replace(dedicated(), addresses=(), max_sessions=9), True, True, id="none at all yet"),
        pytest.param(ClassRecord("translate", synthesise=True, max_sessions=9), False, True, id="a limit alone"),
    ],
)
def test_what_becomes_of_a_class_here(spec: AgentSpec, record: ClassRecord, denied: bool, marked: bool) -> None:
    found = with_table(spec, web(record))
    one = tenant(found, "team-00/web")
    assert (one is not None) == marked
    assert bool(one and one.deny) == denied
    assert bool(tenant_table(found).entries) == marked
    assert bool(tenant_table(found).denied) == denied


def test_names_come_from_the_records_and_a_node_is_no_pod(spec: AgentSpec) -> None:
    found = with_table(spec, web(dedicated(share(30))))
    pod, node = found.clients.of(IPv6Address("2002:a01:2:1::10")), found.clients.of(IPv6Address("2002:a01:2::9"))
    assert pod is not None
    assert node is not None
    assert (pod.tenant, pod.namespace, pod.pod) == ("team-00/web", "team-00", "web-0")
    assert (node.tenant, node.namespace, node.pod) == ("", "", "")


def test_a_record_comes_before_the_file_and_other_clients_are_as_the_file_says(shipped_data: dict[str, Any]) -> None:
    """The node's network covers the one client of the file, and not the other."""
    covered, free = IPv6Address("2002:a01:2::77"), IPv6Address("2002:a09::1")
    networks = [f"{covered}/128", "2002:a09::/32"]
    data = {**shipped_data, "tenant": [{"name": "file", "networks": networks, "deny": True}]}
    found = with_table(from_data(data, "test"), {})
    by_record, by_file = found.clients.of(covered), found.clients.of(free)
    assert by_record is not None
    assert by_file is not None
    assert (by_record.tenant, by_file.tenant) == ("", "file")


def test_marks_of_classes_without_a_number_are_their_own(spec: AgentSpec) -> None:
    many: Records = {("class", f"c{n}"): ClassRecord("deny", synthesise=False, deny=True) for n in range(300)}
    found = with_table(spec, many)
    assert len({one.number for one in found.tenants}) == 300


FILE = {"name": "team-00/web", "networks": ["2002:a09::/32"], "pool4": [{"address": "192.0.2.99"}]}
CONTRADICTIONS = [
    pytest.param(
        {**web(dedicated(share(30))), ("class", "team-01/db"): dedicated(share(31))},
        "both have the mark 7",
        id="one mark",
    ),
    pytest.param(
        {("pool", "standard"): replace(BASE["pool", "standard"], vip="203.0.113.7")}, "gateway.vip is", id="VIP"
    ),
    pytest.param(web(dedicated(share(99, first=20480))), "overlap", id="a public port of the file's tenant"),
    pytest.param(web(dedicated(share(30))), "name of a tenant of the file", id="the name of the file's tenant"),
    pytest.param(
        {("gateway", "gw1"): GatewayRecord("standard", "serve", "", (Share(VIP, 1024, 65535, "gw1"),))}, "VIP", id="ip"
    ),
    pytest.param(
        {("gateway", "gw1"): GatewayRecord("standard", "serve", "", ()), **web(dedicated(share(11, first=20480)))},
        "overlap",
        id="a public port of nat64.pool4",
    ),
]


@pytest.mark.parametrize(("more", "words"), CONTRADICTIONS)
def test_a_table_that_contradicts_the_file_is_refused(shipped_data: dict[str, Any], more: Records, words: str) -> None:
    named = FILE if "name" in words else {**FILE, "name": "file"}
    spec = from_data({**shipped_data, "tenant": [named]}, "test")
    with pytest.raises(TableFault, match=words):
        with_table(spec, more)


def test_the_order_is_that_of_the_own_gateway(spec: AgentSpec) -> None:
    for wanted in ("serve", "drain", "out"):
        table = intake_of({**BASE, ("gateway", "gw1"): GatewayRecord("standard", wanted, "", ())}).table
        said = TableRecords(table.pools, table.gateways, table.classes)
        assert ordered(spec, said) == wanted
        assert ordered(replace(spec, gateway=replace(spec.gateway, name="gw9")), said) == ""


BY_TABLE = Drain(Phase.DRAINING, 5, 5, "table", by_table=True)
OWN = Drain(Phase.DRAINING, 5, 5, "new kernel")
DRAINED = Drain(Phase.DRAINED, 5, 5, "table", by_table=True)


@pytest.mark.parametrize(
    ("before", "order", "may_leave", "phase", "by_table"),
    [
        pytest.param(SERVING, "serve", True, Phase.SERVING, False, id="nothing to do"),
        pytest.param(SERVING, "drain", True, Phase.DRAINING, True, id="the table drains"),
        pytest.param(SERVING, "out", True, Phase.DRAINED, True, id="out at once"),
        pytest.param(SERVING, "drain", False, Phase.SERVING, False, id="the last exit serves on"),
        pytest.param(SERVING, "out", False, Phase.SERVING, False, id="the last exit is not taken out"),
        pytest.param(BY_TABLE, "drain", False, Phase.DRAINING, True, id="a drain that runs goes on"),
        pytest.param(BY_TABLE, "out", True, Phase.DRAINED, True, id="from drain to out"),
        pytest.param(BY_TABLE, "serve", True, Phase.SERVING, False, id="the table takes it back"),
        pytest.param(DRAINED, "serve", True, Phase.SERVING, False, id="back after it"),
        pytest.param(DRAINED, "drain", True, Phase.DRAINED, True, id="drained is drained"),
        pytest.param(BY_TABLE, "", True, Phase.SERVING, False, id="a table without this gateway wants nothing"),
        pytest.param(OWN, "serve", True, Phase.DRAINING, False, id="the operator's own is his to end"),
        pytest.param(OWN, "drain", True, Phase.DRAINING, False, id="and stays his"),
        pytest.param(OWN, "", True, Phase.DRAINING, False, id="with or without a table"),
    ],
)
def test_the_tables_order_and_the_operators_drain(
    before: Drain, order: str, may_leave: bool, phase: Phase, by_table: bool
) -> None:
    after = follows(before, order, may_leave=may_leave, now=10, wall=10)
    assert (after.phase, after.by_table) == (phase, by_table)
    assert follows(after, order, may_leave=may_leave, now=11, wall=11) is after, "once"


def classes(count: int, held: Callable[[int], bool]) -> Records:
    return {("class", f"c{n:02}"): dedicated(*([share(30 + n)] if held(n) else []), mark=7 + n) for n in range(count)}


@pytest.mark.parametrize(
    ("left", "held_back"),
    [pytest.param(15, False, id="five of twenty"), pytest.param(14, True, id="six of twenty, more than a fifth")],
)
def test_a_change_that_takes_many_tenants_addresses_is_held(left: int, held_back: bool) -> None:
    world = Controller({**BASE, **classes(20, lambda n: True)})
    intake = TableIntake(GatewayBounds(100, 20, "gw1", 5))
    intake.connected("", "all")
    for line in world.snapshot():
        intake.take(read_line(line.encode()), 0.0)
    for line in world.say({**classes(20, lambda n: n < left)}):
        intake.take(read_line(line.encode()), 0.0)
    assert bool(intake.held.reason) == held_back
    if held_back:
        assert intake.held.reason == "it takes their public addresses from 6 of 20 tenants"


def test_the_loss_of_all_shared_addresses_is_held_and_the_others_bounds_hold_too() -> None:
    world = Controller({**BASE, ("gateway", "gw2"): GatewayRecord("standard", "serve", "", ())})
    for bounds, held in ((GatewayBounds(100, 20, "gw1", 5), True), (RemovalBounds(100, 20), False)):
        intake = TableIntake(bounds)
        intake.connected("", "all")
        for line in world.snapshot():
            intake.take(read_line(line.encode()), 0.0)
        again = Controller({**BASE, ("gateway", "gw2"): GatewayRecord("standard", "serve", "", ())})
        for line in again.say({("gateway", "gw1"): None}):
            intake.take(read_line(line.encode()), 0.0)
        assert bool(intake.held.reason) == held


def test_only_the_maps_of_lengths_that_change_are_made_anew() -> None:
    table = intake_of({**BASE, **web(dedicated(share(30)))}).table
    before = with_changes({}, dict(table.clients))
    after = with_changes(before, {"2002:a01:2:1::10": None, "10.1.2.3": None})
    assert after[64] is before[64]
    assert 128 not in after
    assert before[128], "what was in force is as it was"
