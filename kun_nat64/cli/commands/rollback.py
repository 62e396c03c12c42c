"""`kun-nat64 rollback`: its flags and its help."""

from pathlib import Path
from typing import Annotated

import typer

from kun_base.command_line import report
from kun_nat64.cli.command_line import AsJson, RunDir, app
from kun_nat64.cli.folders import RUN_DIR, lasting_folder


@app.command(epilog="Example: kun-nat64 rollback --config /etc/kun/kun-nat64.toml")
def rollback(
    config: Annotated[Path, typer.Option("--config", "-c", help="The gateway's TOML file; it is replaced.")] = Path(
        "/etc/kun/kun-nat64.toml"
    ),
    history: Annotated[bool, typer.Option("--list", help="Show only which files were in force.")] = False,
    run_dir: RunDir = RUN_DIR,
    as_json: AsJson = False,
) -> None:
    """Return to the previous file that was in force.

    The current file is kept as FILE.rolled-back.
    """
    from kun_nat64.cli.rollback import roll_back, show_history

    folder = lasting_folder(run_dir)
    if history:
        raise typer.Exit(show_history(folder, as_json=as_json))
    raise typer.Exit(report(lambda: roll_back(config, run_dir, folder), as_json=as_json))
