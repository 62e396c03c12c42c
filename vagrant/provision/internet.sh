#!/usr/bin/env bash
# The IPv4 Internet: names without AAAA, a web server, a host that answers ping. It knows nothing of the inside.
set -euo pipefail

zone() {
    cat <<'ZONE'
$ORIGIN example.org.
$TTL 300
@    IN SOA ns hostmaster ( 1 7200 1800 86400 60 )
@    IN NS  ns
ns   IN A   198.51.100.53
www  IN A   198.51.100.80
ping IN A   198.51.100.81
dual IN A   198.51.100.80
dual IN AAAA 2001:db8::80
ZONE
}

main() {
    . /kun/vagrant/provision/common.sh
    DEBIAN_FRONTEND=noninteractive apt-get -q update
    DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends nsd python3 iproute2
    # 10.1.0.0/16 is the node's resolver; pods and gateways' insides have no way here but through the translators.
    network_at_boot <<'SH'
for host in 53 80 81; do ip addr replace 198.51.100.$host/32 dev lo; done
ip route replace 10.1.0.0/16 via 192.0.2.254
SH
    install -d /srv/kun-web
    echo "an IPv4-only page" >/srv/kun-web/index.html
    zone >/etc/nsd/example.org.zone
    printf 'server:\n  ip-address: 198.51.100.53\nzone:\n  name: example.org\n  zonefile: /etc/nsd/example.org.zone\n' >/etc/nsd/nsd.conf
    cat >/etc/systemd/system/kun-web.service <<'UNIT'
[Unit]
Description=Web server of the Vagrant Internet
After=kun-vagrant-network.service

[Service]
ExecStart=/usr/bin/python3 -m http.server --bind 198.51.100.80 --directory /srv/kun-web 80
DynamicUser=yes
AmbientCapabilities=CAP_NET_BIND_SERVICE
Restart=always

[Install]
WantedBy=multi-user.target
UNIT
    systemctl daemon-reload
    systemctl enable --quiet nsd kun-web
    systemctl restart nsd kun-web
}

if [[ ${1-} == --zone ]]; then zone; else main; fi
