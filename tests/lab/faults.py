"""The faults that are injected into a running gateway, as a table: what breaks it, what heals it, what must come of it.

`{public}` is the gateway's public address, `{name}` its name. Commands are shell scripts, run on the gateway; those of
`internet` and `tor` on that host.
"""

from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    NOTHING = "stays, and nothing is wrong"
    MENDS = "stays, and puts it right"
    RETURNS = "withdraws, puts it right and comes back"
    LEAVES = "withdraws until somebody mends it"


@dataclass(frozen=True, slots=True)
class Fault:
    """`cause`: of the diagnosis; `reason`: of the announcement, where it leaves. `mends`: kind of fact put right."""

    name: str
    action: Action
    cause: str = "none"
    reason: str = ""
    breaks: str = "true"
    heals: str = "true"
    internet_breaks: str = ""
    internet_heals: str = ""
    mends: str = ""


INSTANCE = "jool -i kun"
DEFAULT = "ip route replace default via 192.0.2.1 dev eth1"
NEIGHBOUR_FORGOTTEN = "ip neigh flush dev lan0"


def rule(words: str, command: str = "iptables") -> dict[str, str]:
    """A rule of somebody else: `breaks` and `heals`."""
    return {"breaks": f"{command} {words}", "heals": f"{command} {words.replace('-I ', '-D ', 1)}"}


def policy(chain: str, command: str) -> dict[str, str]:
    return {"breaks": f"{command} -P {chain} DROP", "heals": f"{command} -P {chain} ACCEPT"}


LEAVING = (
    Fault(
        "the outside link is down",
        Action.LEAVES,
        "outside-link-down",
        "carrier-down",
        "ip link set eth1 down",
        f"ip link set eth1 up; {DEFAULT}",
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
    Fault("ip6 INPUT drops", Action.NOTHING, **policy("INPUT", "ip6tables")),
    Fault("ip6 FORWARD drops", Action.NOTHING, **policy("FORWARD", "ip6tables")),
    Fault("ip6 OUTPUT drops", Action.NOTHING, **policy("OUTPUT", "ip6tables")),
    Fault("IPv4 FORWARD drops", Action.NOTHING, **policy("FORWARD", "iptables")),
)
