"""Gateways of the lab on FRR or BIRD instead of GoBGP: their files, and what their router has for them.

The lab boots with GoBGP alone. `with_speakers` is the plan of another state; tests/lab/speaking.py takes a lab there.
"""

import re
from collections.abc import Mapping
from dataclasses import replace

from lab.topology import Gateway, Topology

Files = dict[str, str]
FILE = {"frr": "/etc/frr/frr.conf", "bird": "/etc/bird/kun-gateway.conf"}
SHIPPED = {"frr": "frr/frr.conf", "bird": "bird/kun-gateway.conf"}
# What stays with the operator where the agent writes neighbours and filters.
BARE = {
    "frr": "frr defaults traditional\n",
    "bird": 'router id {inside};\nprotocol device {{ }}\ninclude "/etc/kun*/bird.conf";\n',
}
ROUTERS_BFD = 'protocol bfd { interface "*" { min rx interval 300 ms; min tx interval 300 ms; multiplier 3; }; }'


def with_speakers(plan: Topology, speakers: Mapping[str, str], managed: bool = False) -> Topology:
    """`speakers`: by the gateway's name. `managed`: the agent writes neighbours and filters ([bgp] manage_daemon)."""
    fleet = tuple(
        replace(one, speaker=speakers[one.name], managed=managed) if one.name in speakers else one
        for one in plan.gateways
    )
    return replace(plan, gateways=fleet)


def speaker_files(gateway: Gateway, shipped: Files) -> Files:
    """Those of FRR or BIRD; of GoBGP there are none here."""
    if gateway.speaker not in FILE:
        return {}
    if gateway.managed:
        text = BARE[gateway.speaker].format(inside=gateway.inside)
    else:
        text = shipped[SHIPPED[gateway.speaker]].replace("10.2.1.1", gateway.tor).replace("10.2.1.2", gateway.inside)
    return {FILE[gateway.speaker]: text}


def with_speaker(gateway: Gateway, agents_file: str) -> str:
    """The agent's file with this gateway's speaker."""
    if gateway.speaker == "gobgp":
        return agents_file
    text = re.sub(r'(?m)^speaker = ".*?"', f'speaker = "{gateway.speaker}"', agents_file)
    if gateway.managed:
        text = re.sub(r"(?m)^manage_daemon = false", "manage_daemon = true", text)
        text = re.sub(r"(?m)^(peers = .*hold_s = 3)", r"\1, bfd = true", text)
    return text


def routers_bfd(plan: Topology) -> str:
    """BFD for those that have it; a router without it is as it was shipped."""
    return ROUTERS_BFD if any(one.speaker != "gobgp" for one in plan.gateways) else ""
