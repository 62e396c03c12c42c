"""The `support-bundle` command: what somebody needs to understand this gateway from afar, as one tar."""

import json
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

from kun_base.bundle import output_of, write_bundle
from kun_base.version import build, version
from kun_nat64.cli.agent_client import NoAgent, ask

DEFAULT_FILE = Path("/etc/kun/kun-nat64.toml")
# File in the bundle, and the command that prints it. Sessions are left out: they name clients.
COMMANDS = {
    "plan.txt": ("kun-nat64", "plan", "--config", "CONFIG"),
    "doctor.txt": ("kun-nat64", "doctor", "--config", "CONFIG"),
    "links.txt": ("ip", "-d", "-s", "link"),
    "addresses.txt": ("ip", "address"),
    "routes.txt": ("ip", "route", "show", "table", "all"),
    "routes6.txt": ("ip", "-6", "route", "show", "table", "all"),
    "rules.txt": ("ip", "rule"),
    "rules6.txt": ("ip", "-6", "rule"),
    "iptables.txt": ("iptables-save", "-c"),
    "ip6tables.txt": ("ip6tables-save", "-c"),
    "nft.txt": ("nft", "-t", "list", "ruleset"),
    "jool-instances.txt": ("jool", "instance", "display"),
    "bgp-neighbours.txt": ("gobgp", "neighbor"),
    "bgp-rib.txt": ("gobgp", "global", "rib"),
    "journal.txt": ("journalctl", "-u", "kun-nat64", "-u", "gobgpd", "-n", "2000", "--no-pager"),
    "units.txt": ("systemctl", "status", "kun-nat64", "gobgpd", "--no-pager"),
    "kernel.txt": ("dmesg", "--ctime", "--level", "err,warn"),
}
SESSIONS = ("jool", "-i", "INSTANCE", "session", "display", "--numeric", "--csv")


def make_bundle(config: Path | None, run_dir: Path, output: Path | None, *, sessions: str, as_json: bool) -> int:
    """Write the bundle and print its name. `sessions`: the instance whose sessions go in; "": none do."""
    path = output or Path(time.strftime("kun-nat64-%Y%m%d-%H%M%S.tar.gz"))
    file = config or DEFAULT_FILE
    parts: dict[str, Callable[[], str]] = {
        "versions.txt": lambda: "\n".join((f"kun-nat64 {version()} {build()}", platform.platform(), sys.version, "")),
        "config.toml": file.read_text,
        "status.json": lambda: _status(run_dir),
    }
    for name, argv in COMMANDS.items():
        parts[name] = _printed(tuple(str(file) if word == "CONFIG" else word for word in argv))
    if sessions:
        parts["sessions.csv"] = _printed(tuple(sessions if word == "INSTANCE" else word for word in SESSIONS))
    names = write_bundle(path, parts)
    print(json.dumps({"file": str(path), "parts": names}) if as_json else f"{path}: {len(names)} parts")
    return 0


def _printed(argv: tuple[str, ...]) -> Callable[[], str]:
    return lambda: output_of(argv)


def _status(run_dir: Path) -> str:
    try:
        return json.dumps(ask(run_dir, "/status"), indent=1)
    except NoAgent as error:
        return str(error)
