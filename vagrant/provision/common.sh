# shellcheck shell=bash
# Sourced by the scripts beside it. Expects KUN_INSIDE_MTU and KUN_WHEELS.

repository=/kun

install_role() {
    local offline=()
    if [[ -n ${KUN_WHEELS-} ]]; then offline=(--wheelhouse "$repository/$KUN_WHEELS"); fi
    "$repository/gateway-config/install.sh" --role "$1" --no-start "${offline[@]}"
}

# The interface that has an address: its name differs from box to box.
interface_with() {
    ip -4 -o addr show | awk -v want="$1" '{ split($4, part, "/"); if (part[1] == want) print $2 }'
}

# Room for the tunnel's own header on every link of the inside.
inside_links() {
    local address
    if ((KUN_INSIDE_MTU <= 1480)); then return; fi
    for address in "$@"; do echo "ip link set dev $(interface_with "$address") mtu $((KUN_INSIDE_MTU + 20))"; done
}

# Commands from stdin: run now, and at every boot.
network_at_boot() {
    { echo "#!/bin/sh -ex"; cat; } >/usr/local/sbin/kun-vagrant-network
    chmod +x /usr/local/sbin/kun-vagrant-network
    cat >/etc/systemd/system/kun-vagrant-network.service <<'UNIT'
[Unit]
Description=Links and routes of the Vagrant network
After=network-online.target
Wants=network-online.target
Before=bird.service kun-gobgpd.service kun-nat64.service kun-6to4.service kun-dns64.socket

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/kun-vagrant-network

[Install]
WantedBy=multi-user.target
UNIT
    systemctl daemon-reload
    systemctl enable --quiet kun-vagrant-network.service
    systemctl restart kun-vagrant-network.service
}
