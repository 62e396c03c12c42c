"""The `support-bundle` command: what somebody needs to understand this server from afar, as one tar."""

import json
import platform
import time
from collections.abc import Callable
from pathlib import Path

import typer

from kun_base.bundle import output_of, write_bundle
from kun_base.control_client import NoServer
from kun_base.version import build, version
from kun_dns64.cli.running_server import Target
from kun_dns64.config.control_path import DEFAULT_FILE

ASKED = ("status", "upstreams", "pools")


def make_bundle(target: Target, output: Path | None, *, as_json: bool) -> None:
    """Write the bundle and print its name. It holds no client's queries."""
    path = output or Path(time.strftime("kun-dns64-%Y%m%d-%H%M%S.tar.gz"))
    file = target.config or DEFAULT_FILE
    parts: dict[str, Callable[[], str]] = {
        "versions.txt": lambda: (
            f"kun-dns64 {version()} {build()}\n{platform.platform()}\nPython {platform.python_version()}\n"
        ),
        "config.toml": file.read_text,
        "resolv.conf": Path("/etc/resolv.conf").read_text,
        "journal.txt": lambda: output_of(["journalctl", "-u", "kun-dns64", "-n", "2000", "--no-pager"]),
        "unit.txt": lambda: output_of(["systemctl", "status", "kun-dns64", "--no-pager"]),
        "sockets.txt": lambda: output_of(["ss", "-lnptu"]),
        **{f"{name}.json": _asked(target, f"/{name}") for name in ASKED},
    }
    names = write_bundle(path, parts)
    typer.echo(json.dumps({"file": str(path), "parts": names}) if as_json else f"{path}: {', '.join(names)}")


def _asked(target: Target, path: str) -> Callable[[], str]:
    def part() -> str:
        try:
            return json.dumps(target.ask(path).value, indent=2)
        except NoServer as error:
            return str(error)

    return part
