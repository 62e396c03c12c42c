"""The program's command line: what its commands share. The commands are in cli/commands/, one file each."""

from pathlib import Path
from typing import Annotated

import typer

from kun_base.command_line import CommandLine
from kun_base.version import build, version

EXAMPLE = """
Examples:

  kun-nat64 doctor --config /etc/kun/kun-nat64.toml

  kun-nat64 plan --config /etc/kun/kun-nat64.toml

  kun-nat64 run --config /etc/kun/kun-nat64.toml

  kun-nat64 drain --wait
"""

app = CommandLine("Agent on a NAT64 gateway: plans, applies, proves and announces.", EXAMPLE)

# Not `readable`: what cannot be read is reported in our own words.
Config = Annotated[
    Path, typer.Option("--config", "-c", help="The gateway's TOML file.", show_default=False, readable=False)
]
RunDir = Annotated[Path, typer.Option("--run-dir", help="Folder of the agent's lock and control socket.")]
GatewayName = Annotated[
    str,
    typer.Argument(metavar="[NAME]", help="Another gateway of the fleet; none: this one.", show_default=False),
]
TokenFile = Annotated[
    Path | None, typer.Option("--token-file", help="For another gateway: its token; by default this one's own.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"kun-nat64 {version()}, {build()}")
        raise typer.Exit


Version = Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")]


@app.callback()
def _common(_show: Version = False) -> None:
    return None
