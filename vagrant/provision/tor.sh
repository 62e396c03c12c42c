#!/usr/bin/env bash
# The router in the middle: BIRD learns the VIP from both gateways and spreads flows over them.
set -euo pipefail

tor_config() {
    sed -e 's/^router id .*/router id 10.2.1.254;/' -e '/^protocol bgp gw3 /d' "$repository/gateway-config/bird/kun-tor.conf"
}

main() {
    . /kun/vagrant/provision/common.sh
    install_role tor
    network_at_boot < <(inside_links 10.1.1.254 10.2.1.254 10.2.2.254
        echo "ip route replace 198.51.100.0/24 via 192.0.2.100")
    tor_config >/etc/bird/bird.conf
    sysctl --quiet --system
    systemctl enable --quiet bird
    systemctl restart bird
}

if [[ ${1-} == --config ]]; then repository=${2:?}; tor_config; else main; fi
