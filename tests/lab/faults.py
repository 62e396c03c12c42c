"""The faults of the data plane that are injected into a running gateway, as a table."""

from tests.lab.fault import Action, Fault, policy, rule

INSTANCE = "jool -i kun"
DEFAULT = "ip route replace default via 192.0.2.1 dev eth1"
NEIGHBOUR_FORGOTTEN = "ip neigh flush dev lan0"
AGENT_READS_AGAIN = "kill -HUP $(pidof -x kun-nat64)"

LEAVING = (
    Fault(
        "the outside link is down",
        Action.LEAVES,
        "outside-link-down",
        "carrier-down",
        "ip link set eth1 down",
        f"ip link set eth1 up; {DEFAULT}",
    ),
    Fault(
        "the outside interface has another name",
        Action.LEAVES,
        "outside-link-down",
        "carrier-down",
        "ip link set eth1 down; ip link set eth1 name eth9; ip link set eth9 up",
        f"ip link set eth9 down; ip link set eth9 name eth1; ip link set eth1 up; {DEFAULT}",
    ),
    Fault(
        "the default route leads to a router that is none",
        Action.LEAVES,
        "upstream-dead",
        "canary-dead",
        "ip route replace default via 192.0.2.250 dev eth1",
        DEFAULT,
    ),
    Fault("no default route", Action.LEAVES, "no-default-route", "canary-dead", "ip route del default", DEFAULT),
    Fault(
        "the next router is dead",
        Action.LEAVES,
        "upstream-dead",
        "canary-dead",
        # Off the bridge alone, the port would answer: a Linux host answers ARP for its addresses on every interface.
        internet_breaks="ip link set {name} nomaster arp off",
        internet_heals="ip link set {name} arp on master lan0",
    ),
    Fault(
        "the pool4 address is on another host",
        Action.LEAVES,
        "pool4-elsewhere",
        "canary-dead",
        f"ip addr add {{public}}1/24 dev eth1; ip addr del {{public}}/24 dev eth1;"
        f" ip addr replace {{public}}1/24 dev eth1; {DEFAULT}",
        f"ip addr add {{public}}/24 dev eth1; ip addr del {{public}}1/24 dev eth1;"
        f" ip addr replace {{public}}/24 dev eth1; {DEFAULT}",
        internet_breaks=NEIGHBOUR_FORGOTTEN,
        internet_heals=NEIGHBOUR_FORGOTTEN,
    ),
    Fault(
        "INPUT drops protocol 41",
        Action.LEAVES,
        "protocol-41-dropped",
        "canary-dead",
        **rule("-I INPUT -p 41 -j DROP"),
    ),
    Fault(
        "raw PREROUTING drops protocol 41",
        Action.LEAVES,
        "protocol-41-dropped",
        "canary-dead",
        **rule("-t raw -I PREROUTING -p 41 -j DROP"),
    ),
    Fault(
        "packets are dropped between tunnel and translator",
        Action.LEAVES,
        "dropped-before-translator",
        "canary-dead",
        **rule("-t raw -I PREROUTING -d 2002:cb00:7101::/96 -j DROP", "ip6tables"),
    ),
    Fault(
        "answers are dropped as INVALID",
        Action.LEAVES,
        "conntrack-drops",
        "canary-dead",
        **rule("-t mangle -I PREROUTING -i eth1 -m conntrack --ctstate INVALID -j DROP"),
    ),
    Fault(
        "nft drops protocol 41",
        Action.LEAVES,
        "packets-do-not-arrive",
        "canary-dead",
        "nft 'add table ip stranger; add chain ip stranger early {{ type filter hook prerouting priority -310; }};"
        " add rule ip stranger early ip protocol 41 drop'",
        "nft delete table ip stranger",
    ),
    Fault(
        "INPUT drops protocol 41 on the uplink",
        Action.LEAVES,
        "protocol-41-dropped",
        "canary-dead",
        **rule("-I INPUT -i eth0 -p 41 -j DROP"),
    ),
    Fault(
        "OUTPUT drops protocol 41",
        Action.LEAVES,
        "protocol-41-kept-in",
        "canary-dead",
        **rule("-I OUTPUT -p 41 -j DROP"),
    ),
    Fault(
        "the way to the nodes is deleted",
        Action.LEAVES,
        "nodes-route-missing",
        "nodes-cut-off",
        "ip route del 10.0.0.0/8",
        "ip route add 10.0.0.0/8 via {tor}",
    ),
    Fault(
        "the way to the nodes is a blackhole",
        Action.LEAVES,
        "nodes-route-missing",
        "nodes-cut-off",
        "ip route add blackhole 10.128.0.0/9; ip route add blackhole 10.0.0.0/9",
        "ip route del blackhole 10.128.0.0/9; ip route del blackhole 10.0.0.0/9",
    ),
    Fault(
        "the tunnel's queue loses everything",
        Action.LEAVES,
        "queue-drops",
        "canary-dead",
        "tc qdisc add dev kun64 root netem loss 100%",
        "tc qdisc del dev kun64 root",
    ),
    Fault(
        "a filter drops what leaves by the tunnel",
        Action.LEAVES,
        "queue-drops",
        "canary-dead",
        "tc qdisc add dev kun64 clsact; tc filter add dev kun64 egress matchall action drop",
        "tc qdisc del dev kun64 clsact",
    ),
    Fault(
        "a routing rule leads the VIP's packets nowhere",
        Action.LEAVES,
        "foreign-routing-rule",
        "canary-dead",
        "ip rule add from 203.0.113.1 to 10.0.0.0/8 blackhole pref 5",
        "ip rule del pref 5",
    ),
    Fault(
        "a routing rule of IPv6 leads the pods' packets nowhere",
        Action.LEAVES,
        "foreign-routing-rule",
        "canary-dead",
        "ip -6 rule add to 2002::/16 blackhole pref 5",
        "ip -6 rule del pref 5",
    ),
    Fault(
        "the main routing rule of IPv6 is lost",
        Action.LEAVES,
        "foreign-routing-rule",
        "canary-dead",
        "ip -6 rule del pref 32766",
        "ip -6 rule add pref 32766 lookup main",
    ),
    Fault(
        "another route of IPv6 takes the pods' packets",
        Action.LEAVES,
        "return-route-missing",
        "canary-dead",
        "ip -6 route add unreachable 2002::/17",
        "ip -6 route del unreachable 2002::/17",
    ),
    Fault(
        "the router drops protocol 41 of this gateway",
        Action.LEAVES,
        "router-returns-nothing",
        "canary-dead",
        **rule("-I FORWARD -i {name} -p 41 -j DROP", host="tor"),
    ),
    Fault(
        "the Internet has no way back to the pool4 address",
        Action.LEAVES,
        "replies-missing",
        "canary-dead",
        **rule("-I OUTPUT -d {public} -j DROP", host="internet"),
    ),
)

RAISING = (
    Fault(
        "the public ports are used up",
        Action.RAISES,
        "pool4-exhausted",
        "pool-nearly-exhausted",
        # Forty thousand sessions are more than an emulated translator can list in time.
        "sed -i s/20000-60000/20000-21999/ /etc/kun/kun-nat64.toml; " + AGENT_READS_AGAIN + f"; until {INSTANCE}"
        " pool4 display --udp --csv | grep -q ,20000,21999,; do sleep 0.5; done",
        "sed -i s/20000-21999/20000-60000/ /etc/kun/kun-nat64.toml; " + AGENT_READS_AGAIN,
        # As a node that is attached to this gateway alone.
        tor_breaks="ip tunnel add taker mode sit local {tor} remote 203.0.113.1 dev {name} ttl 64;"
        " ip link set taker up; sixto4=$(printf '2002:%02x%02x:%02x%02x::1' $(echo {tor} | tr . ' '));"
        " ip addr add $sixto4/128 dev taker; ip route add 2002:cb00:7101::/96 dev taker;"
        " python3 -IS /opt/lab/takeports.py $sixto4 2002:cb00:7101::c633:6450 2100",
        tor_heals="ip link del taker",
    ),
    Fault(
        "one target is dead for this gateway alone",
        Action.RAISES,
        "target-dead",
        "kind-unreachable",
        **rule("-I INPUT -s {public} -d 198.51.100.81 -j DROP", host="internet"),
    ),
)

RETURNING = (
    Fault(
        "the VIP is not on the loopback interface",
        Action.RETURNS,
        "vip-missing",
        "vip-missing",
        "ip addr del 203.0.113.1/32 dev lo",
        mends="address",
    ),
    Fault(
        "the tunnel is deleted", Action.RETURNS, "tunnel-missing", "tunnel-missing", "ip link del kun64", mends="tunnel"
    ),
    Fault(
        "the tunnel is down",
        Action.RETURNS,
        "tunnel-missing",
        "tunnel-missing",
        "ip link set kun64 down",
        mends="tunnel",
    ),
    Fault(
        "the tunnel is deleted, and sit0 does its work",
        Action.RETURNS,
        "fallback-tunnel-masks",
        "tunnel-missing",
        "printf 'link set sit0 up\\nlink del kun64\\n' | ip -batch -",
        mends="tunnel",
    ),
    Fault(
        "the tunnel serves another 6rd prefix",
        Action.RETURNS,
        "tunnel-missing",
        "tunnel-missing",
        "ip tunnel 6rd dev kun64 6rd-prefix 2002:a01::/32",
        mends="tunnel",
    ),
    Fault(
        "the instance is gone",
        Action.RETURNS,
        "instance-missing",
        "instance-missing",
        "jool instance remove kun",
        mends="joolinstance",
    ),
    Fault(
        "the instance translates another prefix",
        Action.RETURNS,
        "pool6-wrong",
        "instance-missing",
        "jool instance remove kun; jool instance add kun --netfilter --pool6 2002:cb00:7102::/96",
        mends="joolinstance",
    ),
    Fault(
        "the instance is paused",
        Action.RETURNS,
        "paused",
        "instance-paused",
        f"{INSTANCE} global update manually-enabled false",
        mends="joolglobal",
    ),
)

STAYING = (
    Fault("the tunnel's packets live for one hop", Action.MENDS, breaks="ip tunnel change kun64 ttl 1", mends="tunnel"),
    Fault(
        "the way of the probes is gone",
        Action.MENDS,
        breaks="nft delete table netdev kun-nat64",
        mends="probeway",
    ),
    Fault("IPv6 forwarding is off", Action.MENDS, breaks="sysctl -qw net.ipv6.conf.all.forwarding=0", mends="sysctl"),
    Fault("IPv4 forwarding is off", Action.MENDS, breaks="sysctl -qw net.ipv4.ip_forward=0", mends="sysctl"),
    Fault(
        "rp_filter is strict",
        Action.MENDS,
        breaks="sysctl -qw net.ipv4.conf.all.rp_filter=1",
        mends="sysctl",
    ),
    Fault(
        "the route back to the pods is missing",
        Action.MENDS,
        "return-route-missing",
        breaks="ip route del 2002::/16 dev kun64",
        mends="route",
    ),
    Fault(
        "the probes' namespace is gone",
        Action.MENDS,
        "no-probes",
        breaks="ip netns del kun-probe-{name}",
        mends="netns",
    ),
    Fault(
        "the probes' tunnel is gone",
        Action.MENDS,
        breaks="ip -n kun-probe-{name} link del kun64",
        mends="tunnel",
        otherwise="no-probes",
    ),
    Fault(
        "the probes' addresses are gone",
        Action.MENDS,
        breaks="ip -n kun-probe-{name} address flush dev eth0",
        mends="address",
        otherwise="no-probes",
    ),
    Fault("sit0 is up", Action.MENDS, breaks="ip link set sit0 up", mends="linkstate"),
    Fault(
        "pool4 lacks TCP",
        Action.MENDS,
        "pool4-lacks-protocol",
        breaks=f"{INSTANCE} pool4 remove {{public}}/32 20000-60000 --tcp --quick",
        mends="pool4",
    ),
    Fault("pool4 is empty", Action.MENDS, "pool4-empty", breaks=f"{INSTANCE} pool4 flush --quick", mends="pool4"),
    Fault("the MSS rules are gone", Action.MENDS, breaks="ip6tables -t mangle -F", mends="rule"),
    Fault("all of nft is flushed", Action.MENDS, breaks="nft flush ruleset", mends="probeway"),
    Fault(
        "the way out takes 300 ms",
        Action.NOTHING,
        breaks="tc qdisc add dev eth1 root netem delay 300ms",
        heals="tc qdisc del dev eth1 root",
    ),
    Fault("ip6 INPUT drops", Action.NOTHING, **policy("INPUT", "ip6tables")),
    Fault("ip6 FORWARD drops", Action.NOTHING, **policy("FORWARD", "ip6tables")),
    Fault("ip6 OUTPUT drops", Action.NOTHING, **policy("OUTPUT", "ip6tables")),
    Fault("IPv4 FORWARD drops", Action.NOTHING, **policy("FORWARD", "iptables")),
    Fault(
        "rp_filter of the interface towards the pods is strict",
        Action.NOTHING,
        breaks="sysctl -qw net.ipv4.conf.eth0.rp_filter=1",
        heals="sysctl -qw net.ipv4.conf.eth0.rp_filter=0",
    ),
    Fault(
        "fq on the outside interface",
        Action.NOTHING,
        breaks="tc qdisc replace dev eth1 root fq",
        heals="tc qdisc del dev eth1 root",
    ),
)
