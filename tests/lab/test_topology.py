"""The network of the lab hangs together before anything is built from it."""

from ipaddress import IPv4Address, ip_interface

import pytest

from lab.network import address_batches, link_batches, silence_batch, unplug_batch
from lab.topology import INSIDE_MTU, Port, Topology, sixto4, topology


def ends(plan: Topology) -> list[tuple[str, Port]]:
    return [(c.left, c.left_port) for c in plan.cables] + [(c.right, c.right_port) for c in plan.cables]


@pytest.fixture(params=[1, 3, 5], ids=["one-gateway", "three-gateways", "five-gateways"])
def plan(request: pytest.FixtureRequest) -> Topology:
    return topology(request.param)


def test_both_ends_of_every_cable_are_hosts(plan: Topology) -> None:
    names = {host.name for host in plan.hosts}
    assert {name for name, _ in ends(plan)} <= names


def test_no_host_has_two_ports_of_one_name(plan: Topology) -> None:
    ports = [(host, port.name) for host, port in ends(plan)]
    assert len(ports) == len(set(ports))


def test_no_address_is_used_twice(plan: Topology) -> None:
    used = [ip_interface(a).ip for _, port in ends(plan) for a in port.addresses]
    used += [ip_interface(a).ip for host in plan.hosts for bridge in host.bridges for a in bridge.addresses]
    used += [ip_interface(a).ip for host in plan.hosts for a in host.loopback]
    assert len(used) == len(set(used))


def test_two_ends_with_addresses_are_in_one_network_and_have_one_mtu(plan: Topology) -> None:
    for cable in plan.cables:
        assert cable.left_port.mtu == cable.right_port.mtu
        networks = [{ip_interface(a).network for a in port.addresses} for port in (cable.left_port, cable.right_port)]
        assert not all(networks) or networks[0] == networks[1]


def test_every_next_hop_is_on_a_network_of_its_host(plan: Topology) -> None:
    for host in plan.hosts:
        networks = [ip_interface(a).network for name, port in ends(plan) if name == host.name for a in port.addresses]
        for route in host.routes:
            assert any(ip_interface(route.via).ip in network for network in networks), (host.name, route)


def test_the_pod_lives_in_the_6to4_prefix_of_its_node(plan: Topology) -> None:
    assert ip_interface(plan.pod_address).ip in sixto4(IPv4Address(plan.node_ipv4))


def test_the_dns_server_lives_in_the_6to4_prefix_of_its_host(plan: Topology) -> None:
    assert ip_interface(plan.dns64_address).ip in sixto4(IPv4Address(plan.host("dns").sixto4))


def test_6to4_prefix_of_the_vip_is_the_one_of_the_design() -> None:
    assert str(sixto4(IPv4Address("203.0.113.1"))) == "2002:cb00:7101::/48"


def test_cables_under_a_tunnel_carry_its_outer_header(plan: Topology) -> None:
    for cable in plan.cables:
        if {cable.left, cable.right} <= {"node", "tor", "dns", *(g.name for g in plan.gateways)}:
            assert cable.left_port.mtu >= INSIDE_MTU + 20


def test_an_unknown_host_is_answered_with_the_known_ones() -> None:
    with pytest.raises(KeyError, match="no host 'gw9'; there are pod, node"):
        topology().host("gw9")


def test_links_are_made_before_addresses_need_them(plan: Topology) -> None:
    made = {
        (host, word)
        for host, batch in link_batches(plan).items()
        for line in batch.splitlines()
        for word in line.split()[2:3]
    }
    far = {
        (line.split()[-1], line.split()[-3])
        for batch in link_batches(plan).values()
        for line in batch.splitlines()
        if " peer " in line
    }
    for host, batch in address_batches(plan).items():
        for line in batch.splitlines():
            words = line.split()
            device = words[words.index("dev") + 1] if "dev" in words else words[2] if words[0] == "link" else "lo"
            assert device == "lo" or (host, device) in made | far, (host, line)


def test_rebuilding_one_gateway_touches_its_cables_only() -> None:
    batches = link_batches(topology(), frozenset({"gw2"}))
    assert list(batches) == ["gw2"]
    assert batches["gw2"].splitlines() == [
        "link add eth0 type veth peer name gw2 netns tor",
        "link add eth1 type veth peer name gw2 netns internet",
    ]


def test_rebuilding_one_gateway_configures_both_ends_of_its_cables() -> None:
    batches = address_batches(topology(), frozenset({"gw2"}))
    assert "link set gw2 mtu 9000 up" in batches["tor"].splitlines()
    assert "link set gw2 master lan0 mtu 1500 up" in batches["internet"].splitlines()
    assert "route replace default via 192.0.2.1" in batches["gw2"].splitlines()


def test_rebuilding_the_far_end_puts_lost_routes_back() -> None:
    batches = address_batches(topology(), frozenset({"node"}))
    assert "route replace default via 2002:a01:2:1::1" in batches["pod"].splitlines()


def test_ipv6_addresses_skip_duplicate_address_detection() -> None:
    lines = [line for batch in address_batches(topology()).values() for line in batch.splitlines() if "address" in line]
    assert lines
    assert all(line.endswith(" nodad") == (":" in line) for line in lines if line.startswith("address add"))


def test_power_cut_takes_every_cable_of_the_host() -> None:
    assert unplug_batch(topology(), "gw1") == "link del eth0\nlink del eth1\n"


def test_silence_leaves_the_links_up() -> None:
    batch = silence_batch(topology(), "gw1")
    assert [line.split()[2] for line in batch.splitlines()] == ["eth0", "eth1"]
    assert "down" not in batch


def test_a_bridge_keeps_its_address_when_a_port_goes() -> None:
    """Else every neighbour would send to the address of a gateway that is gone, until its ARP entry ages."""
    assert "link add lan0 address 02:00:00:00:00:fe type bridge" in link_batches(topology())["internet"]
