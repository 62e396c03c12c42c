"""`kun-nat64 fleet`: its flags and its help."""

from pathlib import Path
from typing import Annotated

import typer

from kun_nat64.cli.command_line import AsJson, RunDir, app
from kun_nat64.cli.folders import RUN_DIR


@app.command(
    epilog="Example: kun-nat64 fleet --watch",
    exits={0: "all gateways are announced", 1: "one is not, or does not answer"},
)
def fleet(
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Without an agent here: the file that names the members.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Redraw every two seconds, until Ctrl-C.")] = False,
    run_dir: RunDir = RUN_DIR,
    as_json: AsJson = False,
) -> None:
    """Show every gateway of the fleet in one table."""
    from kun_nat64.cli.fleet import show_fleet

    raise typer.Exit(show_fleet(run_dir, config, watch=watch, as_json=as_json))
