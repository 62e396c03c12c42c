"""The account behind the RSTs for orphaned flows, beside the sessions of real Jool: the same flows, as long."""

import json
from collections.abc import Iterator

import pytest

from lab.api import Lab
from tests.lab.injection import on_request
from tests.lab.questions import POD6, embedded, tcp_sessions
from tests.nat64.tcp_states import OPENING, sequences

PORT = 4443
FLAGS = {"S": 0x02, "SA": 0x12, "A": 0x10, "F": 0x11, "R": 0x04}
# Reads lines "SOURCE-PORT TARGET TARGET-PORT FLAGS" and sends each as a TCP segment by a raw socket.
SEND = """
import socket, struct, sys
six = sys.argv[1] == "6"
s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_RAW, 6)
own = sys.argv[2]
s.bind((own, 0))
if six:
    s.setsockopt(41, 7, 16)
def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff
for line in sys.stdin:
    port, target, to, flags = line.split()
    head = struct.pack("!HHIIBBHHH", int(port), int(to), 1, 1, 5 << 4, int(flags), 1024, 0, 0)
    if not six:
        pseudo = socket.inet_aton(own) + socket.inet_aton(target) + struct.pack("!BBH", 0, 6, len(head))
        head = head[:16] + struct.pack("!H", checksum(pseudo + head)) + head[18:]
    s.sendto(head, (target, 0))
"""


def send(lab: Lab, host: str, family: str, own: str, lines: list[str]) -> None:
    script = f"python3 -c '{SEND}' {family} {own} <<END\n" + "\n".join(lines) + "\nEND"
    lab.run(host, "sh", "-ec", script)


def seconds(text: str) -> float:
    hours, minutes, rest = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


def known(lab: Lab, host: str) -> dict[int, float]:
    """Seconds that the account keeps each flow for, by the pod's port."""
    found: dict[int, float] = {}
    for name in ("flows", "init", "ended"):
        listed = json.loads(lab.output(host, "nft", "-j", "list", "set", "ip6", "kun-nat64", name))
        for held in next(one["set"] for one in listed["nftables"] if "set" in one).get("elem", ()):
            address, port, _, to = held["elem"]["val"]["concat"]
            if (address, to) == (POD6, PORT):
                found[port] = max(found.get(port, 0.0), held["elem"]["expires"])
    return found


@pytest.fixture
def carrier(lab: Lab) -> Iterator[str]:
    """The gateway that all flows of this test go through: the others are out of the pod's node's way."""
    only = lab.topology.gateway("gw3")
    lab.run(
        "tor",
        "sh",
        "-ec",
        f"ip route add 203.0.113.1 via {only.inside} table 78; ip rule add iif node0 lookup 78 pref 78",
    )
    silence = {"pod": ("ip6tables", f"-p tcp --sport {PORT}"), "internet": ("iptables", f"-p tcp --dport {PORT}")}
    for host, (command, what) in silence.items():
        lab.run(host, "sh", "-ec", f"{command} -t raw -I PREROUTING {what} -j DROP")
    yield only.name
    for host, (command, what) in silence.items():
        lab.run(host, "sh", "-ec", f"{command} -t raw -D PREROUTING {what} -j DROP")
    lab.run("tor", "sh", "-c", "ip rule del pref 78; ip route flush table 78; true")


@on_request
def test_the_account_knows_what_jool_knows_and_for_as_long(lab: Lab, carrier: str) -> None:
    server = lab.topology.web_server
    courses = {21000 + place: events for place, events in enumerate(sequences(2)) if events[:3] == OPENING}
    public: dict[int, tuple[str, int]] = {}
    for step in range(len(OPENING) + 2):
        pods, servers = [], []
        for port, events in courses.items():
            side, flags = events[step].split()
            if side == "pod":
                pods.append(f"{port} {embedded(server)} {PORT} {FLAGS[flags]}")
            elif port in public:
                address, outside = public[port]
                servers.append(f"{PORT} {address} {outside} {FLAGS[flags]}")
        if pods:
            send(lab, "pod", "6", POD6, pods)
        if servers:
            send(lab, "internet", "4", server, servers)
        if step == 0:
            for row in tcp_sessions(lab, carrier):
                if row["IPv6 Remote Address"] == POD6 and row["IPv6 Local L4-ID"] == str(PORT):
                    public[int(row["IPv6 Remote L4-ID"])] = row["IPv4 Local Address"], int(row["IPv4 Local L4-ID"])
    assert public.keys() == courses.keys(), "every SYN made a session"
    account = known(lab, carrier)
    rows = [row for row in tcp_sessions(lab, carrier) if row["IPv6 Local L4-ID"] == str(PORT)]
    wrong = {}
    for row in rows:
        port, jool_s = int(row["IPv6 Remote L4-ID"]), seconds(row["Expires in"])
        # The two lists were not made at the same moment.
        most = jool_s + (240 if jool_s > 300 else 0) + 30 + 20
        if not jool_s <= account.get(port, 0.0) + 5 or account.get(port, 0.0) > most:
            wrong[courses[port]] = (row["State"], jool_s, account.get(port))
    assert len(rows) == len(courses)
    assert not wrong
