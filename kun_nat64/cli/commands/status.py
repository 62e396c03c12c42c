"""`kun-nat64 status`: its flags and its help."""

import typer

from kun_nat64.cli.command_line import AsJson, RunDir, app
from kun_nat64.cli.folders import RUN_DIR


@app.command(epilog="Example: kun-nat64 status --json", exits={0: "announced", 1: "not announced, or no agent runs"})
def status(run_dir: RunDir = RUN_DIR, as_json: AsJson = False) -> None:
    """Show the state of the running agent."""
    from kun_nat64.cli.status import show_status

    raise typer.Exit(show_status(run_dir, as_json=as_json))
