#!/usr/bin/env bash
# gw1 or gw2, as KUN_NAME says: what an operator does on bare metal, with this network's addresses.
set -euo pipefail

# What is this gateway's own: number, name, interface towards the outside, inside MTU.
gateway_config() {
    local number=$1 name=$2 outside=$3 inside_mtu=$4 other=$((3 - $1))
    cat <<TOML
[gateway]
name = "$name"
vip = "203.0.113.1"
outside = "$outside"
inside_mtu = $inside_mtu
mss = 1420
clients = ["10.1.0.0/16"]
never_reach = ["127.0.0.0/8", "169.254.0.0/16", "10.0.0.0/8"]

[nat64]
pool4 = [{ address = "192.0.2.1$number", ports = "20000-60000", protocols = ["tcp", "udp", "icmp"] }]

[bgp]
local_as = 65001
router_id = "10.2.$number.2"
next_hop = "10.2.$number.2"
peers = [{ address = "10.2.$number.254", as = 65000, hold_s = 3 }]

[health]
targets = ["tcp://198.51.100.80:80", "icmp://198.51.100.81"]

[fleet]
members = ["http://10.2.$other.2:9465"]
listen = "10.2.$number.2:9465"
TOML
}

speaker_config() {
    sed -e "s/10\.2\.1\.1\"/10.2.$1.254\"/" -e "s/10\.2\.1\.2\"/10.2.$1.2\"/" "$repository/gateway-config/gobgp/gobgpd.conf"
}

main() {
    local number=${KUN_NAME#gw}
    . /kun/vagrant/provision/common.sh
    install_role gateway
    network_at_boot < <(inside_links "10.2.$number.2"
        echo "ip route replace 10.0.0.0/8 via 10.2.$number.254"
        echo "ip route replace 198.51.100.0/24 via 192.0.2.100")
    gateway_config "$number" "$KUN_NAME" "$(interface_with "192.0.2.1$number")" "$KUN_INSIDE_MTU" >/etc/kun/kun-nat64.toml
    speaker_config "$number" >/etc/kun/gobgpd.conf
    sysctl --quiet --system
    systemctl restart systemd-modules-load.service
    systemctl enable --quiet kun-gobgpd kun-nat64
    systemctl restart kun-gobgpd kun-nat64
}

case ${1-} in
    --config) gateway_config "${@:2}" ;;
    --speaker) repository=${3:?}; speaker_config "$2" ;;
    *) main ;;
esac
