#!/usr/bin/env bash
# A node with a 6to4 /48 of its own, one pod in a network namespace that has no IPv4 at all, and kun-dns64 to answer it.
set -euo pipefail

pod_network=2002:a01:102:1

dns_config() {
    cat <<TOML
[server]
listen = ["[$pod_network::1]:53"]
workers = 1

[upstream]
servers = ["udp://198.51.100.53"]

[dns64]
vip = "203.0.113.1"
TOML
}

# The pod asks port 53 of the node; systemd opens it, kun-dns64 needs no right to.
socket_override() {
    cat <<UNIT
[Socket]
ListenDatagram=
ListenStream=
ListenDatagram=[$pod_network::1]:53
ListenStream=[$pod_network::1]:53
UNIT
}

pod_network_commands() {
    cat <<SH
ip netns add pod 2>/dev/null || true
ip link show podlink >/dev/null 2>&1 || ip link add podlink type veth peer name eth0 netns pod
ip link set podlink mtu $KUN_INSIDE_MTU up
ip -n pod link set eth0 mtu $KUN_INSIDE_MTU up
ip -n pod link set lo up
ip -6 addr replace $pod_network::1/64 dev podlink nodad
ip -n pod -6 addr replace $pod_network::10/64 dev eth0 nodad
ip -n pod -6 route replace default via $pod_network::1
SH
}

main() {
    . /kun/vagrant/provision/common.sh
    install_role node,dns
    # The pod's commands find their resolver here.
    install -d /etc/netns/pod
    echo "nameserver $pod_network::1" >/etc/netns/pod/resolv.conf
    network_at_boot < <(inside_links 10.1.1.2; echo "ip route replace 203.0.113.0/24 via 10.1.1.254"
        echo "ip route replace 198.51.100.0/24 via 10.1.1.254"; pod_network_commands)
    printf 'LOCAL=10.1.1.2\nMTU=%s\n' "$KUN_INSIDE_MTU" >/etc/kun/kun-6to4.conf
    dns_config >/etc/kun/kun-dns64.toml
    install -d /etc/systemd/system/kun-dns64.socket.d
    socket_override >/etc/systemd/system/kun-dns64.socket.d/pod.conf
    systemctl daemon-reload
    systemctl enable --quiet kun-6to4 kun-dns64
    systemctl restart kun-6to4 kun-dns64.socket kun-dns64
}

case ${1-} in
    --config) dns_config ;;
    --socket) socket_override ;;
    *) main ;;
esac
