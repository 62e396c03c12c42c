"""The faults beside one gateway's data plane: of its announcement, of its agent, and of all gateways at once."""

from signal import SIGKILL, SIGSTOP, SIGTERM

from tests.lab.fault import Action, Fault, rule

# Longer than the agent's own dead-man's switch takes.
AWAY_S = 15.0
# Its cables look alive, and nobody is there: its neighbours have to find out by themselves.
DEAF = (
    "for port in eth0 eth1; do cat /sys/class/net/$port/address >/run/$port.mac;"
    " ip link set $port arp off address 02:00:00:00:00:01; done"
)
HEARING = "for port in eth0 eth1; do ip link set $port arp on address $(cat /run/$port.mac); done"
GOBGP = "gobgp --target unix:///run/gobgpd/api.sock"
# What a killed GoBGP leaves, and version 4 then runs beside.
DEAD_SOCKET = "python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"/run/gobgpd/api.sock\")'"
STALL = "setsid python3 -IS /opt/lab/stall.py $(pidof -x kun-nat64) >/dev/null 2>&1 </dev/null & echo $! >/run/stall"


def instead_of_jool(script: str) -> dict[str, str]:
    """A stand-in, for the programs of one gateway."""
    begin = f"printf '#!/bin/sh\\n{script}\\n' >/tmp/jool; chmod +x /tmp/jool; mount --bind /tmp/jool /usr/bin/jool"
    return {"breaks": begin, "heals": "umount /usr/bin/jool"}


ANNOUNCEMENT = (
    Fault("the speaker is dead", Action.UNHEARD, "speaker-silent", service="gobgpd", signal=SIGKILL),
    Fault("the speaker hangs", Action.UNHEARD, "speaker-silent", service="gobgpd", signal=SIGSTOP),
    Fault(
        "the speaker runs without its API",
        Action.NAMES,
        "speaker-silent",
        breaks=f"mv /run/gobgpd/api.sock /run/gobgpd/gone.sock; {DEAD_SOCKET}",
        heals="mv -f /run/gobgpd/gone.sock /run/gobgpd/api.sock",
    ),
    Fault(
        "the speaker's import policy refuses the path",
        Action.UNHEARD,
        "path-refused",
        breaks=f"{GOBGP} global policy import del local-only; {GOBGP} global rib del 203.0.113.1/32",
        heals=f"{GOBGP} global policy import add local-only",
    ),
    Fault(
        "the speaker's export policy keeps the path from the TOR",
        Action.UNHEARD,
        "path-not-sent",
        # What has been sent already stays with the TOR until it is sent anew.
        breaks=f"{GOBGP} global policy export del vip-only; {GOBGP} global rib del 203.0.113.1/32",
        heals=f"{GOBGP} global policy export add vip-only; {GOBGP} neighbor {{tor}} softresetout",
    ),
    Fault(
        "the path is deleted by hand",
        Action.UNHEARD,
        breaks=f"{GOBGP} global rib del 203.0.113.1/32",
    ),
    Fault(
        "the TOR shuts the session down",
        Action.UNHEARD,
        "session-down",
        tor_breaks="birdc -s /run/bird.ctl disable {name}",
        tor_heals="birdc -s /run/bird.ctl enable {name}",
    ),
    Fault(
        "the session flaps every two seconds",
        Action.UNHEARD,
        "session-down",
        tor_breaks="setsid sh -c 'while birdc -s /run/bird.ctl disable {name}; do sleep 1;"
        " birdc -s /run/bird.ctl enable {name}; sleep 1; done' >/dev/null 2>&1 </dev/null & echo $! >/run/flap-{name}",
        tor_heals="kill -- -$(cat /run/flap-{name}); sleep 1.5; birdc -s /run/bird.ctl enable {name}",
    ),
    Fault(
        "BGP is dropped",
        Action.UNHEARD,
        "session-down",
        **rule("-I INPUT -i eth0 -p tcp -m multiport --ports 179 -j DROP"),
    ),
    Fault("the gateway is dead without a word", Action.UNHEARD, breaks=DEAF, heals=HEARING),
)

AGENT = (
    Fault("the agent is killed", Action.UNNOTICED, service="kun-nat64", signal=SIGKILL, lasts_s=AWAY_S),
    Fault("the agent is ended for an upgrade", Action.UNNOTICED, service="kun-nat64", signal=SIGTERM, lasts_s=AWAY_S),
    Fault("the agent stands still", Action.UNNOTICED, service="kun-nat64", signal=SIGSTOP, lasts_s=AWAY_S),
    Fault("the agent's event loop hangs", Action.UNHEARD, breaks=STALL, heals="kill $(cat /run/stall)"),
    Fault("jool prints garbage", Action.NAMES, unknown="jool", **instead_of_jool("echo garbage")),
    Fault("jool hangs", Action.NAMES, unknown="jool", **instead_of_jool("exec sleep 60")),
)

EVERYWHERE = (
    Fault(
        "one target is dead",
        Action.NAMES,
        "target-dead",
        everywhere=True,
        **rule("-I INPUT -d 198.51.100.81 -j DROP", host="internet"),
    ),
    Fault(
        "all targets are dead",
        Action.RAISES,
        "replies-missing",
        "targets-suspect",
        everywhere=True,
        # The lab's only web server is the other target; its UDP echo goes on.
        internet_breaks="iptables -I INPUT -d 198.51.100.81 -j DROP; iptables -I INPUT -p tcp --dport 80 -j DROP",
        internet_heals="iptables -D INPUT -d 198.51.100.81 -j DROP; iptables -D INPUT -p tcp --dport 80 -j DROP",
    ),
    Fault(
        "the module is taken away",
        Action.RETURNS,
        "module-missing",
        "module-missing",
        "modprobe -r jool",
        mends="joolinstance",
        everywhere=True,
        otherwise="instance-missing",
    ),
)
