"""Gateways of the lab on FRR or BIRD instead of GoBGP: their files, and the BFD section of their router.

The lab boots with GoBGP alone. `with_speakers` plans other speakers; tests/lab/speaking.py switches a running lab.
"""

from collections.abc import Mapping
from dataclasses import replace

from lab.shipped import Files, put
from lab.topology import Gateway, Topology

FILE = {"frr": "/etc/frr/frr.conf", "bird": "/etc/bird/kun-gateway.conf"}
SHIPPED = {"frr": "frr/frr.conf", "bird": "bird/kun-gateway.conf"}
# The operator's part, if the agent writes neighbours and filters.
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
    """Return the file of FRR or BIRD; GoBGP's file is made elsewhere (rendering.py)."""
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
    text = put(agents_file, r'(?<=^speaker = )".*?"', f'"{gateway.speaker}"')
    if gateway.managed:
        text = put(text, r"(?<=^manage_daemon = )false", "true")
        text = put(text, r"(?<=hold_s = 3)(?= *\}\])", ", bfd = true")
    return text


def routers_bfd(plan: Topology) -> str:
    """Return the router's BFD section; "" if no gateway has BFD, so that its file stays as shipped."""
    return ROUTERS_BFD if any(one.has_bfd for one in plan.gateways) else ""
