"""`kun-nat64 fleet`: its flags and its help."""

from pathlib import Path
from typing import Annotated

import typer

from kun_nat64.cli.command_line import AsJson, RunDir, TokenFile, app
from kun_nat64.cli.folders import RUN_DIR


@app.command(
    epilog="Example: kun-nat64 fleet --watch\n\nkun-nat64 fleet 192.0.2.11:40283",
    exits={
        0: "all gateways are announced; or a session was found",
        1: "one is not, or does not answer; or no gateway has a session",
        3: "a gateway could not be asked, and no other one has a session",
    },
)
def fleet(
    endpoint: Annotated[
        str,
        typer.Argument(metavar="[IP:PORT]", help="Address of a session: public, server or pod.", show_default=False),
    ] = "",
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Without an agent here: the file that names the members.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Redraw every two seconds, until q or Ctrl-C.")] = False,
    run_dir: RunDir = RUN_DIR,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show every gateway of the fleet in one table.

    With IP:PORT: which gateways have a session with it.
    """
    if endpoint:
        from kun_nat64.cli.fleet_session import show_session

        raise typer.Exit(show_session(endpoint, run_dir, token_file, as_json=as_json))
    from kun_nat64.cli.fleet import show_fleet

    raise typer.Exit(show_fleet(run_dir, config, watch=watch, as_json=as_json))
