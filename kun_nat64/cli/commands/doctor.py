"""`kun-nat64 doctor`: its flags and its help."""

from pathlib import Path
from typing import Annotated

import typer

from kun_nat64.cli.command_line import AsJson, RunDir, app
from kun_nat64.cli.folders import RUN_DIR


@app.command(
    epilog="Example: kun-nat64 doctor --config /etc/kun/kun-nat64.toml --json",
    exits={0: "nothing is wrong", 1: "something is wrong"},
)
def doctor(
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The gateway's TOML file; without it, only the machine.")
    ] = None,
    run_dir: RunDir = RUN_DIR,
    as_json: AsJson = False,
) -> None:
    """Show what is wrong on this machine, and how to repair it."""
    from kun_nat64.cli.doctor import examine

    raise typer.Exit(examine(config, run_dir, as_json=as_json))
