"""The `support-bundle` command: one tar file with all that support needs about this gateway."""

import http.client
import json
import platform
import socket
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

from kun_base.bundle import output_of, write_bundle
from kun_base.version import build, version
from kun_nat64.cli.agent_client import TIMEOUT_S, NoAgent, ask
from kun_nat64.drivers.runfiles import CONTROL
from kun_nat64.model.speakers import BIRD, GOBGP, SPEAKERS

DEFAULT_FILE = Path("/etc/kun/kun-nat64.toml")
UNITS = ("kun-nat64", "kun-gobgpd", "gobgpd", "frr", "bird")
UNIT_OPTIONS = tuple(word for unit in UNITS for word in ("-u", unit))
# Of the speaker that the file names: neighbours, and paths.
OF_SPEAKER: dict[str, dict[str, tuple[str, ...]]] = {
    "gobgp": {
        "bgp-neighbours.txt": ("gobgp", "API", "neighbor"),
        "bgp-rib.txt": ("gobgp", "API", "global", "rib"),
    },
    "frr": {
        "bgp-neighbours.txt": ("vtysh", "API", "-c", "show bgp neighbors"),
        "bgp-rib.txt": ("vtysh", "API", "-c", "show bgp ipv4 unicast", "-c", "show bgp ipv6 unicast"),
    },
    "bird": {
        "bgp-neighbours.txt": ("birdc", "API", "show", "protocols", "all"),
        "bgp-rib.txt": ("birdc", "API", "show", "route", "all", "where", 'proto ~ "kun_nat64_*"'),
    },
}
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
    "journal.txt": ("journalctl", *UNIT_OPTIONS, "-n", "2000", "--no-pager"),
    "units.txt": ("systemctl", "status", *UNITS, "--no-pager"),
    "kernel.txt": ("dmesg", "--ctime", "--level", "err,warn"),
}
SESSIONS = ("jool", "-i", "INSTANCE", "session", "display", "--numeric", "--csv")


def make_bundle(config: Path | None, run_dir: Path, output: Path | None, *, sessions: str, as_json: bool) -> int:
    """Write the bundle and print its name. `sessions`: include the sessions of this instance; "": none."""
    path = output or Path(time.strftime("kun-nat64-%Y%m%d-%H%M%S.tar.gz"))
    file = config or DEFAULT_FILE
    parts: dict[str, Callable[[], str]] = {
        "versions.txt": lambda: "\n".join((f"kun-nat64 {version()} {build()}", platform.platform(), sys.version, "")),
        "config.toml": file.read_text,
        "status.json": lambda: _status(run_dir),
        "metrics.txt": lambda: _metrics(run_dir),
    }
    for name, argv in (COMMANDS | OF_SPEAKER[_speaker(file)]).items():
        parts[name] = _printed(_filled(argv, file))
    if sessions:
        parts["sessions.csv"] = _printed(tuple(sessions if word == "INSTANCE" else word for word in SESSIONS))
    names = write_bundle(path, parts)
    print(json.dumps({"file": str(path), "parts": names}) if as_json else f"{path}: {len(names)} parts")
    return 0


def _filled(argv: tuple[str, ...], file: Path) -> tuple[str, ...]:
    """Replace the placeholders of the file and of the speaker's API options."""
    words: list[str] = []
    for word in argv:
        words += [str(file)] if word == "CONFIG" else _api_options(file) if word == "API" else [word]
    return tuple(words)


def _named(file: Path, key: str) -> str:
    """Return a key of [bgp]; "" if it is missing or the file cannot be read."""
    try:
        return str(tomllib.loads(file.read_text()).get("bgp", {}).get(key, ""))
    except (OSError, ValueError, AttributeError):
        return ""


def _speaker(file: Path) -> str:
    named = _named(file, "speaker")
    return named if named in SPEAKERS else GOBGP.name


def _api_options(file: Path) -> list[str]:
    """Options for the speaker's command: the address of its API from the file, else from its unit."""
    kind = SPEAKERS[_speaker(file)]
    api = _named(file, "api") or kind.api
    if kind is not GOBGP:
        return ["-s" if kind is BIRD else "--vty_socket", api.removeprefix("unix://")]
    if api.startswith("unix:"):
        return ["--target", api]
    host, _, port = api.rpartition(":")
    return ["--host", host, "--port", port]


def _printed(argv: tuple[str, ...]) -> Callable[[], str]:
    return lambda: output_of(argv)


def _status(run_dir: Path) -> str:
    try:
        return json.dumps(ask(run_dir, "/status"), indent=1)
    except NoAgent as error:
        return str(error)


def _metrics(run_dir: Path) -> str:
    """Return the metrics as Prometheus reads them. Raises OSError if no agent answers."""
    connection = http.client.HTTPConnection("localhost")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection.sock:
        connection.sock.settimeout(TIMEOUT_S)
        connection.sock.connect(str(run_dir / CONTROL))
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
