"""A whole incident, from the alert to its end, with the commands of the runbook; and its transcript as a document.

Somebody puts a firewall rule on gw2 that drops what comes back from the Internet.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lab.api import Lab
from lab.errors import LabError
from lab.monitored import Monitoring, monitored

SICK = "gw2"
CONFIG = "/etc/kun/kun-nat64.toml"
# What somebody else's script does on the gateway.
FAULT = (
    "nft add table inet site",
    "nft add chain inet site in '{ type filter hook prerouting priority -250; }'",
    "nft add rule inet site in iifname eth1 ip daddr 192.0.2.0/24 drop",
)
CURE = "nft delete table inet site"
ALERT = "KunGatewayOut"
WAIT_S = 420.0
LONGEST_OUTPUT = 40


@dataclass
class Transcript:
    """Times are seconds since the fault."""

    lab: Lab
    begun: float = field(default_factory=time.monotonic)
    parts: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        self.parts.append(f"{text}\n")

    def at(self, title: str) -> None:
        self.parts.append(f"## +{time.monotonic() - self.begun:.0f} s: {title}\n")

    def run(self, host: str, command: str) -> str:
        """The command as it is typed, and what it printed."""
        done = self.lab.run(host, "sh", "-c", command, check=False, timeout_s=120.0)
        text = (done.stdout + done.stderr).rstrip()
        self.show(host, command, text, done.code)
        return text

    def show(self, host: str, command: str, text: str, code: int | None = 0) -> None:
        lines = [line.rstrip() for line in text.splitlines()]
        if len(lines) > LONGEST_OUTPUT:
            lines = [*lines[:LONGEST_OUTPUT], f"... {len(lines) - LONGEST_OUTPUT} more lines"]
        ended = f"\n(exit code {code})" if code else ""
        self.parts.append(f"```console\n{host}# {command}\n" + "\n".join(lines) + f"{ended}\n```\n")

    def alert(self, one: dict[str, Any]) -> None:
        labels, notes = one["labels"], one["annotations"]
        self.parts.append(
            f"```text\n[{labels['severity']}] {labels['alertname']}  {labels.get('instance', '')}\n"
            f"{notes['summary']}\n{notes['description']}\n{notes['runbook_url']}\n```\n"
        )


def play(lab: Lab, tell: Callable[[str], None]) -> str:
    """The document. Raises LabError where the incident does not go as it should."""
    lab.wait_until_ready()
    tell("Prometheus and the black-box exporter start")
    with monitored(lab) as seen:
        _healthy(lab, seen)
        tell(f"somebody breaks {SICK}")
        for line in FAULT:
            lab.run(SICK, "sh", "-c", line)
        story = Transcript(lab)
        tell(f"waiting for {ALERT}")
        if (alert := lab.wait_for(lambda: _alert(seen), WAIT_S, ALERT, every_s=2.0)) is not None:
            _look(story, alert, seen)
        tell("the cure")
        _mend(story, lab, seen)
    return _document(lab, story)


def _healthy(lab: Lab, seen: Monitoring) -> None:
    """Every target answers, both probes of the whole path as well, and nothing fires."""
    jobs = ("kun-nat64", "kun-dns64", "kun-probe-dns", "kun-probe-page", "blackbox")

    def all_up() -> bool:
        try:
            up = {one["metric"]["job"] for one in seen.ask("up == 1")}
            probes = seen.ask("probe_success == 1")
        except OSError:
            return False
        return up >= set(jobs) and len(probes) == 2

    lab.wait_for(all_up, 300.0, "every target and both probes to answer", every_s=2.0)
    if firing := [one["labels"]["alertname"] for one in seen.alerts()]:
        raise LabError(f"{', '.join(firing)} fire although all is well")


def _alert(seen: Monitoring) -> dict[str, Any] | None:
    return next((one for one in seen.alerts() if one["labels"]["alertname"] == ALERT), None)


def _look(story: Transcript, alert: dict[str, Any], seen: Monitoring) -> None:
    story.at("the alert")
    story.alert(alert)
    others = sorted({one["labels"]["alertname"] for one in seen.alerts()} - {ALERT})
    probes = {one["metric"]["job"]: one["value"][1] for one in seen.ask("probe_success")}
    story.say(
        f"A ticket, not a page: the probes of the whole path succeed (`probe_success`: DNS {probes['kun-probe-dns']}, "
        f"page {probes['kun-probe-page']}). Also firing: {', '.join(others) or 'nothing'}. "
        f"The runbook is [{ALERT}](runbooks/{ALERT}.md)."
    )
    story.at("how bad is it?")
    story.say("The other gateways carry. Who is out, and since when:")
    story.run("gw1", "kun-nat64 fleet")
    story.at("first command of the runbook")
    said = story.run(SICK, "kun-nat64 status")
    if "diagnosis" not in said:
        raise LabError(f"status has no diagnosis:\n{said}")
    story.at("second command")
    story.run(SICK, f"kun-nat64 doctor --config {CONFIG}")
    story.at("third command")
    story.say("The lab has no journal; this is the same log.")
    story.show(SICK, "journalctl -u kun-nat64 -n 8", lab_log(story.lab))


def lab_log(lab: Lab) -> str:
    return "\n".join(lab.log(SICK, "kun-nat64").splitlines()[-8:])


def _mend(story: Transcript, lab: Lab, seen: Monitoring) -> None:
    story.at("fix")
    story.say(
        "Answers are lost on this machine, and `doctor` names no rule of iptables. The runbook: look at nft's tables."
    )
    story.run(SICK, "nft list tables")
    story.say(
        "`kun-nat64` is ours, `filter`, `mangle` and `raw` are those of iptables. "
        "Nobody of the team knows `inet site`. It is looked at, and removed."
    )
    story.run(SICK, "nft list table inet site")
    story.run(SICK, CURE)
    hop = next(gateway.inside for gateway in lab.topology.gateways if gateway.name == SICK)
    lab.wait_for(lambda: hop in lab.next_hops(), WAIT_S, f"{SICK} to return", every_s=1.0)
    story.at("it is back")
    story.say("The gateway returns by itself, after its hold-down:")
    story.run("gw1", "kun-nat64 fleet")
    story.run(SICK, "kun-nat64 test")
    story.run("pod", "curl -6 -sS -m 10 -o /dev/null -w '%{http_code}\\n' http://[2002:cb00:7101::c633:6450]/")
    lab.wait_for(lambda: not seen.alerts(), WAIT_S, "the alert to end", every_s=2.0)
    story.at("the alert has ended")


def _document(lab: Lab, story: Transcript) -> str:
    body = re.sub(r"\n{3,}", "\n\n", "\n".join(story.parts)).rstrip()
    version = lab.guest.image.debian.version
    faults = "\n".join(FAULT)
    return f"""# An incident, from the alert to its end

`python -m lab incident` plays it and writes this page: the shipped gateways on Debian {version}, a real Prometheus
with the shipped rules, and the black-box exporter beside a pod. Times are seconds since the fault. The machine may be
emulated, and slow.

What the people on call do not know: a script of somebody else ran this on {SICK}.

```sh
{faults}
```

{body}
"""
