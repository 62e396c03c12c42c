"""What the tests ask of hosts of the running lab."""

import csv
import json
from typing import Any

from lab.api import Lab
from lab.evidence import embedded

CONFIG = "/etc/kun/kun-nat64.toml"
POD6 = "2002:a01:2:1::10"


def page(lab: Lab, *options: str) -> dict[str, Any]:
    """The page as the pod gets it by the web server's IPv4-only name; it names the address the server saw."""
    url = f"http://www.{lab.topology.zone}/"
    found: dict[str, Any] = json.loads(lab.output("pod", "curl", "-sS", "--max-time", "10", *options, url))
    return found


def public_addresses(lab: Lab) -> set[str]:
    return {gateway.public for gateway in lab.topology.gateways}


def tcp_sessions(lab: Lab, host: str) -> list[dict[str, str]]:
    text = lab.output(host, "jool", "-i", "kun", "session", "display", "--tcp", "--numeric", "--csv")
    return list(csv.DictReader(text.splitlines()))


def carrier_of(lab: Lab, server: str) -> str:
    """The gateway through which an established TCP session of the pod with `server` goes."""
    for gateway in lab.topology.gateways:
        for row in tcp_sessions(lab, gateway.name):
            wanted = row["IPv6 Remote Address"], row["IPv4 Remote Address"], row["State"]
            if wanted == (POD6, server, "ESTABLISHED"):
                return gateway.name
    return ""


def announced(lab: Lab, host: str) -> bool:
    return lab.topology.gateway(host).inside in lab.next_hops()


def plan_code(lab: Lab, host: str) -> int:
    return lab.run(host, "kun-nat64", "plan", "--config", CONFIG, check=False).code or 0


def readyz(lab: Lab, host: str) -> str:
    url = f"http://{lab.topology.gateway(host).inside}:9465/readyz"
    return lab.run(host, "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", url, check=False).stdout


def rules(lab: Lab, host: str, table: str = "mangle") -> list[str]:
    """The rules of a table without their counters."""
    text = lab.output(host, "ip6tables-save", "-t", table)
    return [line for line in text.splitlines() if line.startswith("-A")]


def all_together(lab: Lab) -> None:
    """Waits until every gateway is a next hop again, so that the next test starts from a whole fleet."""
    lab.wait_until_ready(180)


__all__ = [
    "CONFIG", "POD6", "all_together", "announced", "carrier_of", "embedded", "page", "plan_code", "public_addresses",
    "readyz", "rules", "tcp_sessions",
]  # fmt: skip
