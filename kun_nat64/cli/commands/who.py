"""`kun-nat64 who`: its flags and its help."""

from pathlib import Path
from typing import Annotated

import typer

from kun_nat64.cli.command_line import AsJson, RunDir, TokenFile, app
from kun_nat64.cli.folders import RUN_DIR


@app.command(
    exits={0: "found", 1: "no pod found", 3: "the sessions could not be read"},
    epilog="Example: kun-nat64 who 192.0.2.11:40283 --at 2026-11-21T06:15:00Z --proto tcp\n\n"
    'kun-nat64 who 192.0.2.11:40283 --at "90m ago" --json',
)
def who(
    public: Annotated[str, typer.Argument(help="The public IPv4 address and port.", metavar="IP:PORT")],
    at: Annotated[str, typer.Option("--at", help='When: ISO 8601 (UTC without an offset), Unix time, "90m ago", now.')],
    proto: Annotated[str, typer.Option("--proto", help="tcp, udp or icmp; all of them without it.")] = "",
    config: Annotated[Path | None, typer.Option("--config", "-c", help="The gateway's TOML file.")] = None,
    database: Annotated[Path | None, typer.Option("--database", help="Folder of the session database.")] = None,
    here: Annotated[bool, typer.Option("--here", help="Ask this gateway alone, not the others of the fleet.")] = False,
    run_dir: RunDir = RUN_DIR,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show which pod had a public port, and when.

    Reads this gateway's log, and those of the other gateways if an agent runs here.
    """
    from kun_nat64.cli.who import show_who
    from kun_nat64.cli.who_flags import Asked

    raise typer.Exit(show_who(Asked(public, at, proto, config, database, as_json, here, run_dir, token_file)))
